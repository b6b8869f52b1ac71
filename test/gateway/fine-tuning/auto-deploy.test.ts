import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { TaskKind, TaskSpecSchema } from '../../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../../core/gen/aiforge/v1/worker_pb.ts';
import { silentLogger } from '../../../core/logger.ts';
import { projectAggregate } from '../../../core/project/project.ts';
import { Ledger } from '../../../core/store/ledger.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { TaskCommand } from '../../../core/task/commands.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { createAutoDeploy } from '../../../gateway/fine-tuning/auto-deploy.ts';

t.test('a gateway that starts deploys what was trained before, once, where it was asked for by OpenAI’s API', async (t) => {
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [taskAggregate, projectAggregate] as never, logger: silentLogger });
  const served = { canDeploy: () => true, nameOf: () => undefined, has: () => false };
  const autoDeploy = createAutoDeploy({ ledger, served, logger: silentLogger });
  t.teardown(async () => {
    await autoDeploy.stop();
    await ledger.stop();
  });
  await ledger.start();
  const act = async (id: string, command: TaskCommand): Promise<void> => {
    await ledger.waitFor((await ledger.execute(taskAggregate, id, command, { commandId: randomUUID(), actor: 'test', time: 1 })).version);
  };
  const train = async (id: string, fineTuning: object): Promise<void> => {
    const spec = create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel: 'm', ggufQuantization: 'Q4_K_M', source: { case: 'datasetDigest', value: 'd'.repeat(64) }, ...fineTuning } } });
    await act(id, { type: 'queue', kind: TaskKind.TRAIN, project: 'p', spec, after: '', maxAttempts: 5 });
    await act(id, { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: id });
    const result = { kind: { case: 'train' as const, value: { adapterDigest: 'a'.repeat(64), lineage: {} } } };
    await act(id, { type: 'report', workerId: 'w', report: create(ReportRequestSchema, { bootId: 'b', taskId: id, attempt: 1, number: 1n, body: { case: 'completed', value: { result } } }) });
  };
  await train('job_1', { fineTuning: {} });
  await train('job_2', {});
  await train('job_3', { fineTuning: {} });
  await act('job_3.deploy', { type: 'queue', kind: TaskKind.DEPLOY, project: 'p', spec: create(TaskSpecSchema, { kind: { case: 'deploy', value: { jobId: 'job_3', alias: 'p:latest' } } }), after: 'job_3.export', maxAttempts: 5 });
  const before = ledger.applied;
  autoDeploy.start();
  await ledger.waitFor(before + 2);
  await autoDeploy.stop();
  t.strictSame([...ledger.all(taskAggregate)].slice(4).map(([id, { status }]) => [id, status]), [['job_1.export', 'queued'], ['job_1.deploy', 'queued']]);
});
