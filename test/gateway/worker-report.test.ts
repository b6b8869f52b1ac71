import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { putTree } from '../../core/blobs/tree.ts';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportOutcome, ReportRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { answerReport } from '../../gateway/workers/report.ts';
import { gatewayScene } from '../support/gateway-scene.ts';
import { makeFolder } from '../support/repository.ts';

t.setTimeout(60_000);

const meta = () => ({ commandId: randomUUID(), actor: 'test', time: Date.now() });

t.test('an extraction is completed by blobs that are there, those of its report among them', async (t) => {
  const scene = await gatewayScene(t);
  const connection = await connectNats(scene.nats.url, 'looker');
  t.teardown(() => connection.close());
  const ledger = new Ledger({ store: await createJetStreamStore(connection), aggregates: [taskAggregate] as never, logger: silentLogger });
  t.teardown(() => ledger.stop());
  await ledger.start();
  const store = async (name: string, text: string): Promise<string> => {
    const folder = join(await makeFolder(t), name);
    await mkdir(folder);
    await writeFile(join(folder, name), text);
    return putTree(scene.blobs, folder);
  };
  const dataset = await store('train.jsonl', '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"kind":"explain"}\n');
  const report = await store('report.md', '# Report\n');
  const spec = create(TaskSpecSchema, { kind: { case: 'extract', value: { repository: '/r', commit: 'c'.repeat(40) } } });
  const completed = async (taskId: string, reportDigest: string) => {
    const value = { result: { kind: { case: 'extract' as const, value: { datasetDigest: dataset, reportDigest } } } };
    return answerReport({ ledger, blobs: scene.blobs }, 'w', create(ReportRequestSchema, { bootId: 'b', taskId, attempt: 1, number: 1n, body: { case: 'completed', value } }));
  };
  for (const id of ['dataset_1', 'dataset_2']) {
    await ledger.execute(taskAggregate, id, { type: 'queue', kind: TaskKind.EXTRACT, project: 'p', spec, after: '', maxAttempts: 3 }, meta());
    await ledger.execute(taskAggregate, id, { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: 'a' }, meta());
  }

  t.match(await completed('dataset_1', 'f'.repeat(64)), { outcome: ReportOutcome.UNAVAILABLE, reason: /f{64} is not whole in the blob store yet$/ });
  t.match(await completed('dataset_1', 'report'), { outcome: ReportOutcome.REFUSED, reason: /is not a SHA-256/ });
  t.match(await completed('dataset_1', report), { outcome: ReportOutcome.ACCEPTED });

  t.match(await completed('dataset_2', ''), { outcome: ReportOutcome.ACCEPTED }, 'as workers from before reports say it');
  // The gateway's own fold shows it a moment later.
  while ((await scene.get('/v1/datasets/dataset_2')).body['status'] !== 'completed');
  t.match(await scene.get('/v1/datasets/dataset_2/report'), { status: 404, body: { detail: 'dataset_id: no report was made of dataset_2; make the dataset again' } });
  t.match(await scene.get('/v1/datasets/dataset_2/samples?kind=explain'), { status: 200, body: { samples: [{ kind: 'explain' }] } });
  t.match(await scene.get('/v1/datasets/dataset_2/samples?kind=question'), { status: 200, body: { samples: [] } }, 'nobody knows which kinds it has');
});
