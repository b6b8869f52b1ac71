import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { getTree, putTree } from '../../core/blobs/tree.ts';
import { TaskKind, type EvaluateResult, type ExportResult, type TrainResult } from '../../core/gen/aiforge/v1/task_pb.ts';
import { RequestedStop, type CheckpointReport, type FailedReport, type ReportRequest, type Telemetry } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { agentScene } from '../support/agent-scene.ts';
import type { WorkerGateway } from '../support/worker-gateway.ts';

t.setTimeout(280_000);
const patienceMs = 120_000;

/** Twelve tiny conversations, in the form that extraction gives them. */
function rows(count: number): string {
  const row = (n: number) => ({ messages: [{ role: 'user', content: `Complete add${n}` }, { role: 'assistant', content: `function add${n}(a, b) {\n  return a + b + ${n};\n}` }] });
  return Array.from({ length: count }, (_, n) => `${JSON.stringify(row(n))}\n`).join('');
}

/** The attempt's result; where it failed, that is why this rejects. */
async function result<T>(gateway: WorkerGateway, taskId: string, attempt = 1): Promise<T> {
  const end = await gateway.until<ReportRequest>('accepted', (report: ReportRequest) => report.taskId === taskId && report.attempt === attempt && ['completed', 'failed'].includes(report.body.case!), patienceMs);
  if (end.body.case !== 'completed') throw new Error(`${taskId} failed: ${(end.body.value as FailedReport).reason}`);
  return end.body.value.result!.kind.value as T;
}

t.test('the real trainer: starter, training paused and gone on with, evaluation, export', async (t) => {
  const scene = await agentScene(t);
  const { gateway, blobs } = scene;
  const dir = await mkdtemp(join(tmpdir(), 'forge-real-'));
  t.teardown(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'train.jsonl'), rows(12));
  await writeFile(join(dir, 'heldout.jsonl'), rows(3));
  const datasetDigest = await putTree(blobs, dir);
  await scene.agent({ real: true });
  const hyperparameters = { epochs: 400, learningRate: 2e-4, rank: 4, usePissa: true, maxSteps: 30, maxSeqLength: 128, batchSize: 2, gradientAccumulation: 2 };
  let pinned = '';
  let shape: unknown;
  gateway.pin = ({ treeDigest, baseModelDigest, shape: told }) => {
    shape = told;
    return { treeDigest: (pinned = treeDigest), baseModelDigest };
  };

  scene.train('job_1', datasetDigest, { baseModel: 'ai-forge/starter', hyperparameters });
  await gateway.until<Telemetry>('telemetry', (message: Telemetry) => message.metrics.some((metric) => metric.loss !== undefined), patienceMs);
  t.match(shape, { hiddenSize: 192, layers: 4, vocabulary: 2048, linears: { length: 7 } }, 'its size is told with the pin');
  gateway.request('job_1', RequestedStop.PAUSE);
  await gateway.report('job_1', 'stopped', patienceMs);
  const saved = gateway.accepted.filter((report) => report.body.case === 'checkpoint').at(-1)!.body.value as CheckpointReport;
  const step = Number(saved.step);
  t.ok(step >= 1 && step < 30, `paused at step ${step}`);

  gateway.request('job_1', RequestedStop.UNSPECIFIED);
  const base = { baseModel: 'ai-forge/starter', baseModelDigest: pinned, project: 'tiny' };
  scene.train('job_1', datasetDigest, { ...base, hyperparameters, checkpointDigest: saved.digest }, 2);
  const trained = await result<TrainResult>(gateway, 'job_1', 2);
  t.equal(trained.steps, 30n);
  t.ok(trained.heldoutLoss! > 0 && trained.heldoutTokens! > 0n);
  t.match(trained.lineage!.packageVersions['torch'], /^\d+\./);
  t.match(trained.lineage!.baseModelDigest, /^[0-9a-f]{64}$/);

  const inputs = { ...base, datasetDigest, adapterDigest: trained.adapterDigest, hyperparameters };
  gateway.offer({ taskId: 'job_1.evaluate', attempt: 1, kind: TaskKind.EVALUATE, spec: { kind: { case: 'evaluate', value: { jobId: 'job_1' } } }, inputs });
  gateway.offer({ taskId: 'job_1.export', attempt: 1, kind: TaskKind.EXPORT, spec: { kind: { case: 'export', value: { jobId: 'job_1', ggufQuantization: 'Q4_K_M' } } }, inputs });
  const evaluated = await result<EvaluateResult>(gateway, 'job_1.evaluate');
  t.equal(evaluated.examples, 3n);
  t.ok(Math.abs(evaluated.perplexity - Math.exp(evaluated.loss)) < 1e-6 * evaluated.perplexity, 'perplexity = exp(loss)');
  t.ok(evaluated.marginInterval!.low <= evaluated.margin && evaluated.margin <= evaluated.marginInterval!.high);
  const exported = await result<ExportResult>(gateway, 'job_1.export');
  const out = join(dir, 'export');
  await getTree(blobs, exported.exportDigest, out);
  t.equal((await readFile(join(out, 'model.gguf'))).subarray(0, 4).toString(), 'GGUF');
  t.match(JSON.parse(await readFile(join(out, 'export.json'), 'utf8')).chat_template, 'im_start');
});
