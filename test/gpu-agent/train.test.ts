import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { getTree } from '../../core/blobs/tree.ts';
import type { CheckpointReport, CompletedReport, FailedReport, Telemetry } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { TrainResult } from '../../core/gen/aiforge/v1/task_pb.ts';
import { agentScene } from '../support/agent-scene.ts';

t.setTimeout(60_000);

const trainResult = (report: { body: { value?: unknown } }): TrainResult => (report.body.value as CompletedReport).result!.kind.value as TrainResult;

t.test('a training runs in a child and its adapter, checkpoints and measurements arrive', async (t) => {
  const { gateway, blobs, dataDir, agent, dataset, train } = await agentScene(t);
  await agent();
  const digest = await dataset({ steps: 4, log: 'hello from the trainer', commit: 'a1'.repeat(20) });
  train('job_1', digest);
  const result = trainResult(await gateway.report('job_1', 'completed'));
  t.match(result, { steps: 4n, finalLoss: 1, heldoutPerplexity: Math.E, heldoutTokens: 10n, tokensSeen: 40n });
  t.match(result.lineage, { datasetDigest: digest, baseModelDigest: 'c'.repeat(64), revision: 'a1'.repeat(20), packageVersions: { torch: 'none' } });
  const dir = await mkdtemp(join(tmpdir(), 'forge-out-'));
  t.teardown(() => rm(dir, { recursive: true }));
  await getTree(blobs, result.adapterDigest, dir);
  const { resumed, environment } = JSON.parse(await readFile(join(dir, 'forge.json'), 'utf8'));
  t.equal(resumed, false);
  t.match(environment, { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', CUDA_VISIBLE_DEVICES: '' });
  t.ok(environment.TMPDIR.startsWith(join(dataDir, 'work', 'local')), 'its temporary files go with the attempt');
  const last = gateway.accepted.filter((report) => report.body.case === 'checkpoint').at(-1)!.body.value as CheckpointReport;
  t.equal(last.step, 4n, 'the latest checkpoint is stored');
  t.equal(gateway.accepted.find((report) => report.body.case === 'phase')?.body.case, 'phase');
  const metrics = await gateway.until<Telemetry>('telemetry', (message: Telemetry) => message.metrics.some((metric) => metric.step === 4n));
  t.match(metrics.metrics.at(-1), { loss: 1, learningRate: 1e-4, totalSteps: 4n });
  t.ok(gateway.telemetry.some((message) => message.log.includes('hello from the trainer')));
});

t.test('a training goes on from its checkpoint', async (t) => {
  const { gateway, agent, dataset, train } = await agentScene(t);
  await agent();
  train('job_1', await dataset({ steps: 2 }));
  await gateway.report('job_1', 'completed');
  const checkpoint = gateway.accepted.filter((report) => report.body.case === 'checkpoint').at(-1)!.body.value as CheckpointReport;
  train('job_2', await dataset({ steps: 5 }), { checkpointDigest: checkpoint.digest });
  await gateway.report('job_2', 'completed');
  const steps = gateway.telemetry.filter((message) => message.taskId === 'job_2').flatMap((message) => message.metrics.map((metric) => Number(metric.step)));
  t.same(steps, [3, 4, 5]);
});

t.test('a training that finishes does not fail for its last checkpoint', async (t) => {
  const { gateway, agent, dataset, train } = await agentScene(t);
  await agent();
  train('job_1', await dataset({ steps: 4, loseAt: 4 }));
  t.match(trainResult(await gateway.report('job_1', 'completed')), { steps: 4n });
  const steps = gateway.accepted.filter((report) => report.body.case === 'checkpoint').map((report) => (report.body.value as CheckpointReport).step);
  t.same(steps, [2n]);
});

t.test('what the trainer fails with is told, and whether another try makes sense', async (t) => {
  const { gateway, agent, dataset, train } = await agentScene(t);
  await agent();
  train('oom', await dataset({ error: { code: 'out_of_memory', message: 'needs 9 GiB' } }));
  t.match((await gateway.report('oom', 'failed')).body.value, { code: 'out_of_memory', reason: 'needs 9 GiB', retryable: false });
  train('crash', await dataset({ log: 'Fatal: the last words', crash: { at: 1, signal: 'SIGSEGV' } }));
  const crash = (await gateway.report('crash', 'failed')).body.value as FailedReport;
  t.match(crash, { code: 'trainer_crashed', retryable: true });
  t.match(crash.reason, /SIGSEGV[\s\S]*the last words/);
  train('lost', 'f'.repeat(64));
  t.match((await gateway.report('lost', 'failed')).body.value, { code: 'input_missing', retryable: false });
});
