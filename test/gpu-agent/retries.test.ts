import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { getTree } from '../../core/blobs/tree.ts';
import { TaskKind, type TrainResult } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Task } from '../../core/task/state.ts';
import { ensureTask, exportIdOf, exportSpec } from '../../gateway/jobs/follow-up.ts';
import type { GatewayScene } from '../support/gateway-scene.ts';
import { makeFolder } from '../support/repository.ts';
import { scriptedScene } from '../support/scripted-scene.ts';

t.setTimeout(120_000);

/** What the trainer that finished was told. */
async function finishedWith(t: Test, scene: GatewayScene, task: Task): Promise<Record<string, unknown>> {
  const dir = await makeFolder(t);
  const result = task.status === 'completed' ? (task.result.kind.value as TrainResult) : undefined;
  await getTree(scene.blobs, result!.adapterDigest, dir);
  return JSON.parse(await readFile(join(dir, 'forge.json'), 'utf8')) as Record<string, unknown>;
}

const fails = (code: string, step: number) => ({ steps: 6, failAt: { step, code, message: `${code} it is` } });

t.test('memory that runs out: once more with half the micro-batch, from the checkpoint, and it is shown', async (t) => {
  const { scene, job, ended } = await scriptedScene(t);
  const { jobId, messages, status } = await job({ train: [fails('out_of_memory', 3), { steps: 6 }] });
  t.match(status, { status: 'completed', attempt: 2, batch_size: 2, gradient_accumulation: 4 });
  t.match(messages.find(({ message }) => /micro-batches/.test((message as string | undefined) ?? '')), { message: /out_of_memory it is; micro-batches of 2 from now on, gathered 4 times for a step/ });
  t.match(await finishedWith(t, scene, await ended(jobId)), { resumed: true, batch: { batch_size: 2, gradient_accumulation: 4, order_batch_size: 4 } });
  t.strictSame(messages.filter(({ type, attempt }) => type === 'metrics' && attempt === 2).map(({ step }) => step), [3, 4, 5, 6]);
  const { attempts, lines } = (await scene.get(`/v1/fine-tune/${jobId}/logs?attempt=1`)).body as { attempts: unknown[]; lines: { text: string }[] };
  t.match(attempts, [{ outcome: 'failed', code: 'out_of_memory', reason: 'out_of_memory it is' }, { outcome: 'completed' }]);
  t.match(lines[0]!.text, /^pid \d+$/, 'what its trainer wrote is still there');

  const twice = await job({ train: [fails('out_of_memory', 1), fails('out_of_memory', 1), { steps: 6 }] });
  t.match(twice.status, { status: 'failed', attempt: 2, error: 'out_of_memory: out_of_memory it is (also with micro-batches of 2)' });
  const one = await job({ train: [fails('out_of_memory', 1), { steps: 6 }] }, { batch_size: 1 });
  t.match(one.status, { status: 'failed', attempt: 1, error: /can't be halved/ });
});

t.test('a loss that is not finite: once more from the last checkpoint, then it fails', async (t) => {
  const { job, attempts } = await scriptedScene(t);
  const good = await job({ train: [fails('non_finite_loss', 3), { steps: 6 }] });
  t.match(good.status, { status: 'completed', attempt: 2 });
  t.strictSame(good.messages.filter(({ type, attempt }) => type === 'metrics' && attempt === 2).map(({ step }) => step), [3, 4, 5, 6], 'it went on at step 2');
  const bad = await job({ train: [fails('non_finite_loss', 3), fails('non_finite_loss', 3), { steps: 6 }] });
  t.match(bad.status, { status: 'failed', error: /^non_finite_loss: .*the second from the checkpoint of step 2/ });
  t.strictSame(attempts(bad.jobId), ['non_finite_loss', 'non_finite_loss']);
});

t.test('a full disk and a crash are tried again; a base model that is missing is not', async (t) => {
  const { job, attempts } = await scriptedScene(t);
  const mended = await job({ train: [fails('disk_full', 1), { steps: 6, crash: { at: 1, signal: 'SIGSEGV' } }, { steps: 6 }] });
  t.match(mended.status, { status: 'completed', attempt: 3 });
  t.strictSame(attempts(mended.jobId), ['disk_full', 'trainer_crashed', 'completed']);
  const missing = await job({}, { base_model: '/nowhere/such-model' });
  t.match(missing.status, { status: 'failed', attempt: 1, error: 'base_model_missing: base_model: /nowhere/such-model is no folder on this host' });
});

t.test('an export that fails after the training is tried again alone', async (t) => {
  const { scene, ledger, job, script, ended, attempts } = await scriptedScene(t);
  const { jobId } = await job({ train: [{ steps: 2 }] });
  const id = exportIdOf(jobId);
  await script({ export: [{ error: { code: 'internal', message: 'the first try' } }, { error: { code: 'bad_config', message: 'the second' } }] });
  await ensureTask(ledger, id, 'tiny', exportSpec(jobId, 'Q8_0'));
  t.match(await ended(id), { status: 'failed', code: 'bad_config' });
  t.strictSame(attempts(id), ['internal', 'bad_config']);
  // As whoever asks for the deployment again does.
  await ensureTask(ledger, id, 'tiny', exportSpec(jobId, 'Q8_0'));
  t.match(await ended(id), { status: 'completed', kind: TaskKind.EXPORT });
  t.strictSame([attempts(id), attempts(jobId)], [['internal', 'bad_config', 'completed'], ['completed']], 'the training was made once');
  t.match(await scene.get(`/v1/fine-tune/${jobId}/logs?kind=export&attempt=1`), { status: 200, body: { lines: [{ text: /^pid/ }], attempts: [{ code: 'internal' }, { code: 'bad_config' }, {}] } });
});
