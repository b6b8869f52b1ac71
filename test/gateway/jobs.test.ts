import { EventEmitter, once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { putTree } from '../../core/blobs/tree.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { StopReason, TaskRunner } from '../../core/worker/task-runner.ts';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { gatewayScene, watch, type GatewayScene } from '../support/gateway-scene.ts';

/** Trains nothing, but reports like one that does; stops after each step where the test wants it to. */
function steps(scene: () => GatewayScene, options: { total?: number; hold?: (step: number, signal: AbortSignal) => Promise<void> } = {}): TaskRunner {
  const { total = 4, hold } = options;
  return async (context) => {
    const from = Number(context.assignment.inputs?.checkpointStep ?? 0n);
    const digest = await putTree(scene().blobs, context.workDir);
    context.phase('training', total);
    for (let step = from + 1; step <= total; step++) {
      context.metric({ step: BigInt(step), epoch: step / total, loss: 5 - step / 2, learningRate: 0.1, tokensPerSecond: 100, totalSteps: BigInt(total) });
      await hold?.(step, context.signal);
      if (context.signal.aborted) {
        const reason = context.signal.reason as StopReason;
        if (reason === 'pause' || reason === 'drain') await context.checkpoint({ step, epoch: step / total, loss: 5 - step / 2, digest, seconds: 0.1 });
        return 'stopped';
      }
    }
    return { kind: { case: 'train', value: { adapterDigest: digest, finalLoss: 1.25, steps: BigInt(total), epochs: 1, tokensSeen: 64n, seconds: 1 } } };
  };
}
const request = { project_name: 'tiny', base_model: 'ai-forge/starter' };

t.test('a job, from submission to its end', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  await scene.trainer(steps(() => scene));
  const { status, body } = await scene.post('/v1/fine-tune', request);
  t.equal(status, 200);
  t.match(body, { job_id: /^job_\d{8}_\d{6}$/, status: 'queued', message: 'Fine-tuning job queued' });
  t.equal(Object.keys(body).length, 3, 'and nothing else');
  const jobId = body['job_id'] as string;
  const feed = await watch(scene, jobId);
  t.equal(feed.code, 1000);
  t.strictSame(feed.messages.filter((message) => message['type'] === 'metrics').map((message) => message['step']), [1, 2, 3, 4], 'each metric once, in order');
  t.match(feed.messages.at(-1), { type: 'state', status: 'completed', attempt: 1 });
  const cursors = feed.messages.map((message) => message['cursor']);
  t.equal(new Set(cursors).size, cursors.length, 'no cursor twice');

  await t.test('from each cursor a watcher sees exactly the rest', async (t) => {
    for (let n = 0; n < cursors.length; n++) t.strictSame((await watch(scene, jobId, cursors[n] as string)).messages, feed.messages.slice(n + 1), `after message ${n}`);
  });
  await t.test('status is measured', async (t) => {
    t.match((await scene.get(`/status/${jobId}`)).body, { job_id: jobId, status: 'completed', progress: 100, current_epoch: 1, current_step: 4, loss: 1.25, created_at: /Z$/, updated_at: /Z$/ });
  });
  await t.test('a gateway that starts anew tells the same', async (t) => {
    const before = [(await scene.get(`/status/${jobId}`)).body, (await scene.get('/v1/fine-tune')).body];
    await scene.restart();
    t.strictSame([(await scene.get(`/status/${jobId}`)).body, (await scene.get('/v1/fine-tune')).body], before);
    const again = await watch(scene, jobId);
    t.strictSame(new Set(again.messages.map(({ cursor: _cursor, ...rest }) => JSON.stringify(rest))), new Set(feed.messages.map(({ cursor: _cursor, ...rest }) => JSON.stringify(rest))));
  });
});

t.test('pause, resume and cancel do what they say', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const held = (step: number, signal: AbortSignal): Promise<void> => (step === 2 && !signal.aborted ? once(signal, 'abort').then(() => {}) : Promise.resolve());
  await scene.trainer(steps(() => scene, { hold: held }));
  const jobId = (await scene.post('/v1/fine-tune', request)).body['job_id'] as string;
  await watch(scene, jobId, '', (message) => message['step'] === 2);
  t.match((await scene.post(`/v1/fine-tune/${jobId}/resume`)), { status: 400, body: { detail: /is running and can't be resumed/ } });
  t.match((await scene.post(`/v1/fine-tune/${jobId}/pause`)), { status: 200, body: { job_id: jobId, status: 'training' } }, 'asked for, not yet done');
  const paused = await watch(scene, jobId, '', (message) => message['status'] === 'paused');
  t.match(paused.messages.at(-1), { status: 'paused' });
  t.match((await scene.get(`/status/${jobId}`)).body, { status: 'paused', current_step: 2, loss: 4 });
  t.match((await scene.post(`/v1/fine-tune/${jobId}/pause`)), { status: 400, body: { detail: /is paused/ } });
  t.match((await scene.post(`/v1/fine-tune/${jobId}/resume`)).body, { status: 'queued' });
  const done = await watch(scene, jobId);
  t.match(done.messages.at(-1), { status: 'completed', attempt: 2 });
  t.strictSame(done.messages.filter((message) => message['type'] === 'metrics').map((message) => [message['attempt'], message['step']]), [[1, 1], [1, 2], [2, 3], [2, 4]], 'the second attempt goes on from the checkpoint');
  t.match((await scene.post(`/v1/fine-tune/${jobId}/cancel`)), { status: 400, body: { detail: /is completed/ } });

  const other = (await scene.post('/v1/fine-tune', request)).body['job_id'] as string;
  await watch(scene, other, '', (message) => message['step'] === 2);
  t.match((await scene.post(`/v1/fine-tune/${other}/cancel`)).status, 200);
  t.match((await watch(scene, other)).messages.at(-1), { status: 'cancelled' });
  t.match((await scene.get('/v1/fine-tune?status=cancelled')).body, { jobs: [{ job_id: other }], next_page_token: '' });
});

t.test('what follows a completed training is paused, resumed and cancelled by the same requests', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const begun = new EventEmitter();
  const evaluate: TaskRunner = async ({ signal, phase }) => {
    phase('evaluating', 1);
    const over = once(signal, 'abort');
    begun.emit('evaluation');
    await over;
    return 'stopped';
  };
  await scene.trainer(steps(() => scene), { [TaskKind.EVALUATE]: evaluate });
  const jobId = (await scene.post('/v1/fine-tune', request)).body['job_id'] as string;
  await watch(scene, jobId);
  const path = `/v1/fine-tune/${jobId}`;
  const begins = async (act: () => Promise<unknown>): Promise<void> => void (await Promise.all([once(begun, 'evaluation'), act()]));

  let validated!: Promise<unknown>;
  await begins(async () => { validated = scene.post(`/validate/${jobId}`); });
  t.match(await scene.post(`${path}/resume`), { status: 400, body: { detail: /is completed and can't be resumed/ } }, 'what runs can not be resumed');
  t.match(await scene.post(`${path}/pause`), { status: 200, body: { job_id: jobId, status: 'completed', message: `${jobId}.evaluate: pause requested; the training was completed before` } });
  // It is told with the next beat; until it has stopped there is nothing to resume.
  await begins(async () => { while ((await scene.post(`${path}/resume`)).status === 400) await setImmediate(); });
  t.match(await scene.post(`${path}/cancel`), { status: 200, body: { message: /evaluate: cancel requested/ } });
  t.match(await validated, { status: 400, body: { detail: /evaluation was cancelled/ } }, 'who waits for it is told');
  t.match(await scene.post(`${path}/cancel`), { status: 400, body: { detail: /is completed and can't be cancelled/ } }, 'and there is nothing left to cancel');
  t.match(await scene.get(`/status/${jobId}`), { body: { status: 'completed' } }, 'the job is what it was');

  await begins(async () => { validated = scene.post(`/validate/${jobId}`); });
  t.equal((await scene.post(`${path}/cancel`)).status, 200, 'it can be asked for again, and cancelled again');
  t.match(await validated, { status: 400 });
});

t.test('a failure says why', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  await scene.trainer(async () => { throw new TaskFailure('out_of_memory', 'the GPU has 8 GiB and 11 were needed', false); });
  const jobId = (await scene.post('/v1/fine-tune', request)).body['job_id'] as string;
  t.match((await watch(scene, jobId)).messages.at(-1), { status: 'failed', message: /11 were needed/ });
  t.match((await scene.get(`/status/${jobId}`)).body, { status: 'failed', error: /^out_of_memory: / });
  t.match(await scene.post(`/deploy/${jobId}`), { status: 400, body: { detail: /is failed and can't be deployed/ } });
  t.match(await scene.post(`/validate/${jobId}`), { status: 400, body: { detail: /is failed and can't be validated/ } });
});
