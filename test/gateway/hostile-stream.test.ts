import t from 'tap';
import { connectNats } from '../../core/nats.ts';
import type { RunnerResult } from '../../core/worker/task-runner.ts';
import { gatewayScene, watch } from '../support/gateway-scene.ts';

const request = { project_name: 'tiny', base_model: 'ai-forge/starter' };

t.test('messages that are no envelopes stop nothing', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const stranger = await connectNats(scene.nats.url, 'stranger');
  t.teardown(() => stranger.close());
  const jobId = (await scene.post('/v1/fine-tune', request)).body['job_id'] as string;
  for (const subject of ['forge.task.x', 'forge.x', `forge.task.${jobId}`, 'forge.nothing.y']) stranger.publish(subject, 'no envelope');
  await stranger.flush();
  t.match(await scene.post(`/v1/fine-tune/${jobId}/pause`), { status: 200, body: { status: 'paused' } }, 'the job that was written to goes on');
  t.equal((await scene.post('/v1/fine-tune', request)).status, 200, 'and so do new ones');
  await scene.restart();
  t.match((await scene.get(`/status/${jobId}`)).body, { status: 'paused' }, 'also for a gateway that starts anew');
});

t.test('a worker’s result that is none becomes no event', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  let tries = 0;
  await scene.trainer(async (context): Promise<RunnerResult | 'stopped'> => {
    tries += 1;
    context.phase('training', 1);
    if (tries === 1) return { kind: { case: 'export' as const, value: {} } };
    if (tries === 2) return { kind: { case: 'train' as const, value: { adapterDigest: '../../etc/passwd' } } };
    return 'stopped';
  });
  const jobId = (await scene.post('/v1/fine-tune', request)).body['job_id'] as string;
  await watch(scene, jobId, '', (message) => message['attempt'] === 3);
  t.match(await scene.get(`/status/${jobId}`), { status: 200, body: { job_id: jobId } });
  t.match((await scene.get('/v1/fine-tune?status=completed')).body, { jobs: [] });
});
