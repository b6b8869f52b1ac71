import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { FineTuningStatus } from '../../../core/gen/aiforge/v1/fine_tuning_pb.ts';
import { TaskKind, TaskSpecSchema } from '../../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../../core/gen/aiforge/v1/worker_pb.ts';
import { silentLogger } from '../../../core/logger.ts';
import { Ledger } from '../../../core/store/ledger.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { TaskCommand } from '../../../core/task/commands.ts';
import type { Task } from '../../../core/task/state.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { viewFineTuning } from '../../../gateway/fine-tuning/view.ts';
import { deploySpec, ensureTask, exportSpec } from '../../../gateway/jobs/follow-up.ts';

t.test('a job of OpenAI’s is paused or cancelled where its deployment is', async (t) => {
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [taskAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  const act = async (id: string, command: TaskCommand): Promise<void> => ledger.waitFor((await ledger.execute(taskAggregate, id, command, { commandId: randomUUID(), actor: 'test', time: 1_000 })).version);
  const spec = create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel: 'm', source: { case: 'datasetDigest', value: 'd'.repeat(64) }, fineTuning: {} } } });
  await act('j', { type: 'queue', kind: TaskKind.TRAIN, project: 'p', spec, after: '', maxAttempts: 5 });
  await act('j', { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: 'a' });
  await act('j', { type: 'report', workerId: 'w', report: create(ReportRequestSchema, { bootId: 'b', taskId: 'j', attempt: 1, number: 1n, body: { case: 'completed', value: { result: { kind: { case: 'train', value: { adapterDigest: 'a'.repeat(64), lineage: {} } } } } } }) });
  const status = (canDeploy = true): FineTuningStatus =>
    viewFineTuning(ledger.head(taskAggregate, 'j').state as Task, { ledger, metrics: { get: () => undefined }, served: { canDeploy: () => canDeploy, nameOf: () => 'p:j' }, results: { of: () => [] } } as never).status as FineTuningStatus;

  t.equal(status(), FineTuningStatus.RUNNING, 'until its model answers');
  t.equal(status(false), FineTuningStatus.SUCCEEDED, 'where there is nothing to deploy it to');
  await ensureTask(ledger, 'j.export', 'p', exportSpec('j', ''));
  await ensureTask(ledger, 'j.deploy', 'p', deploySpec('j', 'p:latest'), { after: 'j.export' });
  t.equal(status(), FineTuningStatus.RUNNING);
  await act('j.export', { type: 'pause' });
  t.equal(status(), FineTuningStatus.PAUSED);
  await act('j.export', { type: 'resume' });
  t.equal(status(), FineTuningStatus.RUNNING);
  await act('j.deploy', { type: 'cancel', reason: 'asked' });
  t.equal(status(), FineTuningStatus.CANCELLED);
  await act('j.deploy', { type: 'retry', requestId: '' });
  t.equal(status(), FineTuningStatus.RUNNING, 'and is again what it was when that is asked for');
});
