import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import t from 'tap';
import { AttemptOutcome } from '../../core/gen/aiforge/v1/events_pb.ts';
import { Priority, Quantization, TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { initialState, isTerminal, type Task } from '../../core/task/state.ts';
import { turnOf } from '../../core/task/turn.ts';
import { choose, readyAt, type Lookup, type Offer } from '../../gateway/scheduler/choose.ts';
import { agingMs, placementOfTask, urgencyOf } from '../../gateway/scheduler/placement.ts';

const spec = (baseModel: string, quantization: Quantization = Quantization.QUANTIZATION_NONE) => create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel, hyperparameters: { quantization } } } });
const task = (id: string, project: string, createdAt: number, more: Partial<Task> = {}): Task =>
  ({ id, project, createdAt, updatedAt: createdAt, kind: TaskKind.TRAIN, spec: spec('ai-forge/starter'), after: '', maxAttempts: 5, ended: [], failures: 0, failedAt: 0, startedAt: 0, queuedSequence: createdAt, startedSequence: 0, endedBeforeRetry: 0, microBatch: undefined, checkpoint: undefined, totalSteps: undefined, status: 'queued', ...more }) as Task;
/** No two have the same, and they are in no order that goes with another. */
const queued = (n: number): number => (n * 17) % 101;
const noTurns: ReadonlyMap<string, number> = new Map();
const cpu: Offer = { kinds: [TaskKind.TRAIN], gpu: false, fleetHasGpu: false, labels: {} };
const order = (tasks: Task[], offer = cpu, now = 1_000_000): string[] => choose(tasks, offer, () => initialState, now, noTurns).map(({ id }) => id);

t.test('with one slot, projects take turns however long their queues are', async (t) => {
  const tasks = [1, 2, 3, 4].map((n): Task => task(`a${n}`, 'a', n)).concat(task('b1', 'b', 9));
  const turns: string[] = [];
  for (let now = 10; turns.length < 5; now++) {
    const next = tasks.find(({ id }) => id === order(tasks)[0])!;
    turns.push(next.id);
    Object.assign(next, { status: 'completed', startedSequence: now });
  }
  t.strictSame(turns, ['a1', 'b1', 'a2', 'a3', 'a4']);
});

t.test('a task that was made by a gateway whose clock was ahead keeps its place in line, and its project its turn', async (t) => {
  const ahead = 7_200_000;
  t.strictSame(order([task('late', 'a', 5, { queuedSequence: 30 }), task('ahead', 'a', ahead, { queuedSequence: 20 }), task('early', 'a', 4, { queuedSequence: 10 })]), ['early', 'ahead', 'late']);
  const started = (project: string, startedAt: number, startedSequence: number): Task => task(`${project}0`, project, 1, { status: 'completed', startedAt, startedSequence } as Partial<Task>);
  t.strictSame(order([started('a', ahead, 1), started('b', 2, 2), task('b1', 'b', 3), task('a1', 'a', 4)]), ['a1', 'b1']);
});

t.test('a project with less running comes first', async (t) => {
  t.strictSame(order([task('a0', 'a', 1, { status: 'running', startedSequence: 1 } as Partial<Task>), task('a1', 'a', 2), task('b1', 'b', 3, { startedSequence: 2 })]), ['b1', 'a1']);
});

t.test('what fails again and again waits longer each time', async (t) => {
  const failed = (failures: number) => task('x', 'x', 0, { failures, failedAt: 1_000 });
  t.strictSame([0, 1, 2, 3, 4, 20].map((failures) => readyAt(failed(failures))), [0, 0, 2_000, 3_000, 5_000, 61_000]);
  t.strictSame(order([failed(3)], cpu, 2_999), []);
  t.strictSame(order([failed(3)], cpu, 3_000), ['x']);
  const ahead = task('x', 'x', 0, { failures: 3, failedAt: 3_600_000 });
  t.strictSame(order([ahead], cpu, 3_000), ['x'], 'a failure that was noted by a clock an hour ahead holds nothing up for that long');
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

const placed = (baseModel: string, placement: { priority?: Priority; pool?: string; labels?: Record<string, string> }) =>
  create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel, placement } } });

t.test('what is urgent comes first, and what follows from a job is as urgent', async (t) => {
  const high = { spec: placed('ai-forge/starter', { priority: Priority.HIGH }) };
  const low = { spec: placed('ai-forge/starter', { priority: Priority.LOW }) };
  t.strictSame(order([task('l', 'a', 1, low), task('n', 'a', 2), task('h', 'a', 3, high)]), ['h', 'n', 'l']);
  const lookup: Lookup = (id) => (id === 'h' ? task('h', 'a', 1, { ...high, status: 'completed' } as Partial<Task>) : initialState);
  const exports: Task[] = [task('n.export', 'a', 2, { kind: TaskKind.EXPORT }), task('h.export', 'a', 3, { kind: TaskKind.EXPORT })];
  t.strictSame(choose(exports, { ...cpu, kinds: [TaskKind.EXPORT] }, lookup, 4, noTurns).map(({ id }) => id), ['h.export', 'n.export']);
});

t.test('pools and labels: an agent of a pool runs its jobs and no others', async (t) => {
  const tasks = [
    task('anywhere', 'a', 1),
    task('night', 'a', 2, { spec: placed('ai-forge/starter', { pool: 'night' }) }),
    task('zone', 'a', 3, { spec: placed('ai-forge/starter', { labels: { zone: 'b' } }) }),
  ];
  t.strictSame(order(tasks), ['anywhere']);
  t.strictSame(order(tasks, { ...cpu, labels: { pool: 'night', zone: 'b' } }), ['night']);
  t.strictSame(order(tasks, { ...cpu, labels: { zone: 'b', os: 'linux' } }), ['anywhere', 'zone']);
});

/** A queue as it may be, seeded by fast-check; times within six ageings. */
const queues = fc.array(
  fc.record({
    project: fc.constantFrom('a', 'b', 'c'),
    createdAt: fc.integer({ min: 0, max: 6 * agingMs }),
    startedSequence: fc.integer({ min: 0, max: 50 }),
    status: fc.constantFrom('queued', 'queued', 'queued', 'running', 'paused'),
    large: fc.boolean(),
    priority: fc.constantFrom(Priority.UNSPECIFIED, Priority.LOW, Priority.NORMAL, Priority.HIGH),
    pool: fc.constantFrom('', 'night'),
    zone: fc.constantFrom(undefined, 'a', 'b'),
    needed: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
  }),
  { maxLength: 25 },
).map((all) => all.map(({ project, createdAt, startedSequence, status, large, priority, pool, zone, needed }, n): Task =>
  task(`t${n}`, project, createdAt, { startedSequence, queuedSequence: queued(n), status, totalSteps: needed, spec: placed(large ? 'org/large' : 'ai-forge/starter', { priority, pool, labels: zone === undefined ? {} : { zone } }) } as Partial<Task>)));
/** What a task needs, told by a field that means nothing here. */
const needed = ({ totalSteps }: Task): number | undefined => totalSteps;
const offers = fc.record({ kinds: fc.constant([TaskKind.TRAIN]), gpu: fc.boolean(), fleetHasGpu: fc.boolean(), labels: fc.constantFrom<Record<string, string>>({}, { pool: 'night' }, { zone: 'a' }, { pool: 'night', zone: 'b' }), memoryBytes: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }), needs: fc.constant(needed) });
const now = 7 * agingMs;
const none: Lookup = () => initialState;

t.test('for any queue: only what is queued and may run on the host, each once, whatever order it was found in', async (t) => {
  fc.assert(fc.property(queues, offers, (tasks, offer) => {
    const chosen = choose(tasks, offer, none, now, noTurns);
    const ids = chosen.map(({ id }) => id);
    const allowed = tasks.filter((one) => {
      const { pool, labels } = placementOfTask(one, none)!;
      return one.status === 'queued' && pool === (offer.labels['pool'] ?? '') && (labels['zone'] === undefined || labels['zone'] === offer.labels['zone']) &&
        (offer.memoryBytes === undefined || one.totalSteps === undefined || one.totalSteps <= offer.memoryBytes) &&
        (offer.gpu || !offer.fleetHasGpu || (one.spec.kind.value as { baseModel: string }).baseModel === 'ai-forge/starter');
    });
    return new Set(ids).size === ids.length && ids.toSorted().join() === allowed.map(({ id }) => id).toSorted().join() && ids.join() === choose(tasks.toReversed(), offer, none, now, noTurns).map(({ id }) => id).join();
  }), { numRuns: 500 });
  t.pass('500 queues');
});

t.test('a slot gets nothing that is estimated to take more memory than it has; what is not known is tried', async (t) => {
  const needs: Record<string, number | undefined> = { small: 10, large: 30, unknown: undefined };
  const tasks = Object.keys(needs).map((id, n) => task(id, 'a', n));
  const offer = { ...cpu, needs: ({ id }: Task) => needs[id] };
  t.strictSame(order(tasks, { ...offer, memoryBytes: 24 }), ['small', 'unknown']);
  t.strictSame(order(tasks, { ...offer, memoryBytes: 30 }), ['small', 'large', 'unknown']);
  t.strictSame(order(tasks, { ...offer, memoryBytes: undefined }), ['small', 'large', 'unknown'], 'a worker that does not say what it has');
});

t.test('what found a disk full waits for another host, where there is one, and not for ever', async (t) => {
  const full = { number: 1, workerId: 'one', bootId: 'b', reported: 1, outcome: AttemptOutcome.FAILED, code: 'disk_full', reason: '', logDigest: '', logLines: 0 };
  const tasks = [task('x', 'a', 1, { ended: [full], failures: 1, failedAt: 1_000 })];
  const at = (workerId: string, others: boolean, now = 2_000): string[] => order(tasks, { ...cpu, workerId, others }, now);
  t.strictSame([at('one', true), at('two', true), at('one', false)], [[], ['x'], ['x']]);
  t.strictSame(at('one', true, 1_000 + 5 * 60_000), ['x'], 'the others may be busy, or not fit');
});

t.test('for any queue: nobody starves, and projects are treated alike', async (t) => {
  fc.assert(fc.property(queues, offers, (tasks, offer) => {
    const chosen = choose(tasks, offer, none, now, noTurns);
    const running = (project: string): number => tasks.filter((one) => one.project === project && one.status === 'running').length;
    const urgency = (one: Task): number => urgencyOf(one, placementOfTask(one, none), now);
    for (const [at, later] of chosen.entries()) {
      for (const sooner of chosen.slice(0, at)) {
        // Whatever its priority: who has waited three ageings longer is not passed over.
        if (sooner.createdAt >= later.createdAt + 3 * agingMs) return false;
        if (urgency(sooner) < urgency(later)) return false;
        if (urgency(sooner) === urgency(later) && running(sooner.project) > running(later.project)) return false;
        if (urgency(sooner) === urgency(later) && sooner.project === later.project && sooner.queuedSequence > later.queuedSequence) return false;
      }
    }
    return true;
  }), { numRuns: 500 });
  t.pass('500 queues');
});

t.test('for any queue: tasks that are over may be left out where their last turns are told', async (t) => {
  const histories = fc.array(
    fc.record({
      project: fc.constantFrom('a', 'b', 'c'),
      createdAt: fc.integer({ min: 0, max: 3 }),
      startedSequence: fc.integer({ min: 0, max: 9 }),
      kind: fc.constantFrom(TaskKind.TRAIN, TaskKind.EVALUATE, TaskKind.EXPORT),
      status: fc.constantFrom('queued', 'queued', 'running', 'completed', 'failed', 'cancelled'),
    }),
    { minLength: 6, maxLength: 25, size: 'max' },
  ).map((all) => all.map(({ project, createdAt, startedSequence, kind, status }, n): Task => task(`t${n}`, project, createdAt, { kind, startedSequence, queuedSequence: queued(n), status } as Partial<Task>)));
  let mattered = 0;
  fc.assert(fc.property(histories, (tasks) => {
    const turns = new Map<string, number>();
    for (const { key, value } of tasks.filter(isTerminal).map(turnOf).filter((trace) => trace !== undefined)) turns.set(key, Math.max(value, turns.get(key) ?? 0));
    const open = tasks.filter((one) => !isTerminal(one));
    const offer = { ...cpu, kinds: [TaskKind.TRAIN, TaskKind.EVALUATE] };
    const idsOf = (from: Task[], past: ReadonlyMap<string, number>): string => choose(from, offer, none, 10, past).map(({ id }) => id).join();
    if (idsOf(open, noTurns) !== idsOf(tasks, noTurns)) mattered += 1;
    return idsOf(open, turns) === idsOf(tasks, noTurns);
  }), { numRuns: 1_000 });
  t.ok(mattered > 50, `it mattered in ${mattered} of 1,000 queues`);
});
