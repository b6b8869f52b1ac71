import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { getTree, putTree, readTree } from '../../core/blobs/tree.ts';
import { TaskKind, type EvaluateResult, type ExportResult, type TrainResult } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { CompletedReport, PinBaseRequest, ReportRequest } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { agentScene, type AgentScene } from '../support/agent-scene.ts';

t.setTimeout(60_000);

const resultOf = <T>(report: ReportRequest): T => (report.body.value as CompletedReport).result!.kind.value as T;

/** Trains, so that there is an adapter. @returns the inputs that a gateway would give to what follows */
async function trained(scene: AgentScene) {
  const datasetDigest = await scene.dataset({});
  scene.train('job_1', datasetDigest);
  const { adapterDigest } = resultOf<TrainResult>(await scene.gateway.report('job_1', 'completed'));
  return { datasetDigest, adapterDigest, baseModel: scene.base, project: 'web' };
}

/** What the scripted trainer was told, out of the report's tree. */
async function trainerConfig(t: Test, scene: AgentScene, { reportDigest }: EvaluateResult): Promise<Record<string, unknown>> {
  const dir = await mkdtemp(join(tmpdir(), 'forge-report-'));
  t.teardown(() => rm(dir, { recursive: true }));
  await getTree(scene.blobs, reportDigest, dir);
  return JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')) as Record<string, unknown>;
}

t.test('evaluate: numbers of base and tuned model, and the report as a tree', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  const inputs = await trained(scene);
  scene.gateway.offer({ taskId: 'job_1.evaluate', attempt: 1, kind: TaskKind.EVALUATE, spec: { kind: { case: 'evaluate', value: { jobId: 'job_1' } } }, inputs });
  const result = resultOf<EvaluateResult>(await scene.gateway.report('job_1.evaluate', 'completed'));
  t.match(result, { loss: 1, perplexity: Math.E, baseLoss: 2, tokens: 10n, examples: 2n, margin: 0.63, marginInterval: { low: 0.5, high: 0.7, confidence: 0.95, samples: 10_000n } });
  t.ok((await readTree(scene.blobs, result.reportDigest)).files.some((file) => file.path === 'report.md'));
  t.notOk(result.reference ?? result.general, 'what was not asked for is absent');
  t.match(await trainerConfig(t, scene, result), { reference: null, general_file: null });
});

t.test('evaluate: the model that would be replaced and the general texts, where they are asked for', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  const inputs = { ...(await trained(scene)), hyperparameters: { seed: 7n, maxSeqLength: 256 } };
  const evaluate = (jobId: string, reference: object | undefined, general = true): void =>
    scene.gateway.offer({ taskId: `${jobId}.evaluate`, attempt: 1, kind: TaskKind.EVALUATE, spec: { kind: { case: 'evaluate', value: { jobId, referenceJobId: 'job_0', general } } }, inputs: { ...inputs, ...(reference === undefined ? {} : { reference }) } });

  const reference = { jobId: 'job_0', adapterDigest: inputs.adapterDigest, baseModel: scene.base, trainedBaseModelDigest: 'b'.repeat(64) };
  evaluate('job_1', reference);
  const result = resultOf<EvaluateResult>(await scene.gateway.report('job_1.evaluate', 'completed'));
  t.match(result.reference, { jobId: 'job_0', loss: 1.5, perplexity: Math.exp(1.5), margin: 0.05, marginInterval: { low: -0.1, high: 0.2, confidence: 0.95, samples: 10_000n } });
  t.match(result.general, { name: 'set', digest: 'a'.repeat(64), perplexity: 5, basePerplexity: 4, tokens: 7n, examples: 3n, increase: 0.25 });
  const config = await trainerConfig(t, scene, result);
  t.match(config, { base_model: scene.base, seed: 7, max_seq_length: 256, reference: { name: 'job_0', base_model: scene.base, revision: null, adapter_dir: /reference$/, expected_base_model_digest: 'b'.repeat(64) } });
  t.ok((await readFile(config['general_file'] as string, 'utf8')).startsWith('{"text":'), 'the set that is shipped');

  evaluate('job_2', { ...reference, baseModel: 'ai-forge/starter', baseModelDigest: inputs.datasetDigest });
  const other = await trainerConfig(t, scene, resultOf<EvaluateResult>(await scene.gateway.report('job_2.evaluate', 'completed')));
  t.match(other, { base_model: scene.base, reference: { base_model: /reference-base$/ } }, 'on a base of its own, from the blobs');

  evaluate('job_3', { ...reference, baseModel: 'ai-forge/starter' });
  t.match((await scene.gateway.report('job_3.evaluate', 'failed')).body.value, { code: 'base_model_missing', reason: /never pinned/ });
  evaluate('job_4', { ...reference, adapterDigest: 'f'.repeat(64) });
  t.match((await scene.gateway.report('job_4.evaluate', 'failed')).body.value, { code: 'input_missing', reason: /the reference f/ });
  evaluate('job_5', undefined);
  t.match((await scene.gateway.report('job_5.evaluate', 'failed')).body.value, { code: 'input_missing', reason: /no model of job_0 to compare with/ });
});

t.test('export: a tree with the GGUF and what the trainer said of it', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  const inputs = await trained(scene);
  scene.gateway.offer({ taskId: 'job_1.export', attempt: 1, kind: TaskKind.EXPORT, spec: { kind: { case: 'export', value: { jobId: 'job_1', ggufQuantization: 'Q8_0' } } }, inputs });
  const result = resultOf<ExportResult>(await scene.gateway.report('job_1.export', 'completed'));
  const dir = await mkdtemp(join(tmpdir(), 'forge-export-'));
  t.teardown(() => rm(dir, { recursive: true }));
  await getTree(scene.blobs, result.exportDigest, dir);
  t.equal(await readFile(join(dir, 'model.gguf'), 'utf8'), 'GGUF Q8_0');
  t.match(result, { quantization: 'Q8_0', ggufSize: 9n, ggufDigest: (await readTree(scene.blobs, result.exportDigest)).files.find((file) => file.path === 'model.gguf')!.digest });
  const record = JSON.parse(await readFile(join(dir, 'export.json'), 'utf8'));
  t.match(record, { context_length: 1024, chat_template: 'x' });
  t.notOk('gguf_path' in record || 'type' in record, 'no path of this host');
});

t.test('an export does not wait behind a training', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  const inputs = await trained(scene);
  scene.train('job_2', await scene.dataset({ holdAt: 1 }));
  await scene.gateway.report('job_2', 'phase');
  scene.gateway.offer({ taskId: 'job_1.export', attempt: 1, kind: TaskKind.EXPORT, spec: { kind: { case: 'export', value: { jobId: 'job_1' } } }, inputs });
  await scene.gateway.report('job_1.export', 'completed');
  t.notOk(scene.gateway.accepted.some((report) => report.taskId === 'job_2' && report.body.case === 'completed'));
});

t.test('the starter model is made once, pinned, and the pinned one is used', async (t) => {
  const scene = await agentScene(t);
  const other = await mkdtemp(join(tmpdir(), 'forge-other-'));
  t.teardown(() => rm(other, { recursive: true }));
  await writeFile(join(other, 'config.json'), '{"made": "elsewhere"}');
  const pinned = await putTree(scene.blobs, other);
  const pins: PinBaseRequest[] = [];
  scene.gateway.pin = (request) => {
    pins.push(request);
    return { treeDigest: pinned, baseModelDigest: 'e'.repeat(64) };
  };
  await scene.agent();
  const dataset = await scene.dataset({});
  scene.train('job_1', dataset, { baseModel: 'ai-forge/starter' });
  const { adapterDigest, lineage } = resultOf<TrainResult>(await scene.gateway.report('job_1', 'completed'));
  t.match(pins, [{ baseModel: 'ai-forge/starter', baseModelDigest: 'd'.repeat(64) }]);
  t.not(pins[0]!.treeDigest, pinned);
  t.equal(lineage!.baseModel, 'ai-forge/starter');
  const dir = await mkdtemp(join(tmpdir(), 'forge-adapter-'));
  t.teardown(() => rm(dir, { recursive: true }));
  await getTree(scene.blobs, adapterDigest, dir);
  t.match(JSON.parse(await readFile(join(dir, 'forge.json'), 'utf8')).base_model, /base$/, 'trained on the pinned tree');
  scene.train('job_2', dataset, { baseModel: 'ai-forge/starter', baseModelDigest: pinned });
  await scene.gateway.report('job_2', 'completed');
  t.equal(pins.length, 1, 'a pinned one is not made again');
});

t.test('a base model that can not be had is told with its cause', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  scene.train('job_1', await scene.dataset({}), { baseModel: '/nowhere/model' });
  t.match((await scene.gateway.report('job_1', 'failed')).body.value, { code: 'base_model_missing', reason: /\/nowhere\/model is no folder/, retryable: false });
});

t.test('evaluate: what is to pass a gate is measured on whole held-out files, where the dataset has them', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  const inputs = await trained(scene);
  const dir = await mkdtemp(join(tmpdir(), 'forge-dataset-'));
  t.teardown(() => rm(dir, { recursive: true }));
  await getTree(scene.blobs, inputs.datasetDigest, dir);
  const measuredOn = async (taskId: string, files: string | undefined, general: boolean): Promise<unknown> => {
    if (files !== undefined) await writeFile(join(dir, 'heldout_files.jsonl'), files);
    scene.gateway.offer({ taskId, attempt: 1, kind: TaskKind.EVALUATE, spec: { kind: { case: 'evaluate', value: { jobId: 'job_1', general } } }, inputs: { ...inputs, datasetDigest: await putTree(scene.blobs, dir) } });
    return (await trainerConfig(t, scene, resultOf<EvaluateResult>(await scene.gateway.report(taskId, 'completed'))))['heldout_file'];
  };
  t.match(await measuredOn('none.evaluate', undefined, true), /\/heldout\.jsonl$/, 'there are none');
  t.match(await measuredOn('empty.evaluate', '', true), /\/heldout\.jsonl$/, 'none is held out');
  const one = `${JSON.stringify({ path: 'a.py', language: 'python', text: 'a = 1\n' })}\n`;
  t.match(await measuredOn('gate.evaluate', one, true), /\/heldout_files\.jsonl$/);
  t.match(await measuredOn('rows.evaluate', one, false), /\/heldout\.jsonl$/, 'no gate asks');
});
