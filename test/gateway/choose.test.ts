import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { Quantization, TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { initialState, type Task } from '../../core/task/state.ts';
import { choose, readyAt, type Offer } from '../../gateway/scheduler/choose.ts';

const spec = (baseModel: string, quantization: Quantization = Quantization.QUANTIZATION_NONE) => create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel, hyperparameters: { quantization } } } });
const task = (id: string, project: string, createdAt: number, more: Partial<Task> = {}): Task =>
  ({ id, project, createdAt, updatedAt: createdAt, kind: TaskKind.TRAIN, spec: spec('ai-forge/starter'), after: '', maxAttempts: 5, ended: [], failures: 0, failedAt: 0, startedAt: 0, checkpoint: undefined, totalSteps: undefined, status: 'queued', ...more }) as Task;
const cpu: Offer = { kinds: [TaskKind.TRAIN], gpu: false, fleetHasGpu: false };
const order = (tasks: Task[], offer = cpu, now = 1_000_000): string[] => choose(tasks, offer, () => initialState, now).map(({ id }) => id);

t.test('with one slot, projects take turns however long their queues are', async (t) => {
  const tasks = [1, 2, 3, 4].map((n): Task => task(`a${n}`, 'a', n)).concat(task('b1', 'b', 9));
  const turns: string[] = [];
  for (let now = 10; turns.length < 5; now++) {
    const next = tasks.find(({ id }) => id === order(tasks)[0])!;
    turns.push(next.id);
    Object.assign(next, { status: 'completed', startedAt: now });
  }
  t.strictSame(turns, ['a1', 'b1', 'a2', 'a3', 'a4']);
});

t.test('a project with less running comes first', async (t) => {
  t.strictSame(order([task('a0', 'a', 1, { status: 'running', startedAt: 1 } as Partial<Task>), task('a1', 'a', 2), task('b1', 'b', 3, { startedAt: 2 })]), ['b1', 'a1']);
});

t.test('what fails again and again waits longer each time', async (t) => {
  const failed = (failures: number) => task('x', 'x', 0, { failures, failedAt: 1_000 });
  t.strictSame([0, 1, 2, 3, 4, 20].map((failures) => readyAt(failed(failures))), [0, 0, 2_000, 3_000, 5_000, 61_000]);
  t.strictSame(order([failed(3)], cpu, 2_999), []);
  t.strictSame(order([failed(3)], cpu, 3_000), ['x']);
});

t.test('work for a GPU is left to GPUs where there are any', async (t) => {
  const tasks = [task('large', 'a', 1, { spec: spec('org/large') }), task('quantized', 'a', 2, { spec: spec('ai-forge/starter', Quantization.QUANTIZATION_4BIT) }), task('starter', 'a', 3)];
  t.strictSame(order(tasks, { ...cpu, fleetHasGpu: true }), ['starter']);
  t.strictSame(order(tasks, { ...cpu, gpu: true, fleetHasGpu: true }), ['large', 'quantized', 'starter']);
  t.strictSame(order(tasks), ['large', 'quantized', 'starter'], 'without any, each is tried, and says what it lacks');
});

t.test('other kinds, and what waits for another task, are not offered', async (t) => {
  t.strictSame(order([task('e', 'a', 1, { kind: TaskKind.EXPORT }), task('w', 'a', 2, { after: 'e' })]), []);
});
