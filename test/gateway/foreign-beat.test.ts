import { create, toBinary } from '@bufbuild/protobuf';
import t from 'tap';
import { BeatRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { connectNats } from '../../core/nats.ts';
import { gatewayScene, watch } from '../support/gateway-scene.ts';

t.setTimeout(60_000);

t.test('what another worker says of an attempt does not keep it alive', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const training = Promise.withResolvers<void>();
  const worker = await scene.trainer(async (context) => {
    context.phase('training', 1);
    training.resolve();
    await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve(), { once: true }));
    return 'stopped';
  });
  const jobId = (await scene.post('/v1/fine-tune', { project_name: 'tiny', base_model: 'ai-forge/starter' })).body['job_id'] as string;
  await training.promise;
  const stranger = await connectNats(scene.nats.url, 'stranger');
  const beat = toBinary(BeatRequestSchema, create(BeatRequestSchema, { bootId: 'b', running: [{ taskId: jobId, attempt: 1 }] }));
  const beating = setInterval(() => stranger.publish('work.beat.stranger', beat, { reply: '_INBOX.stranger.1' }), 50);
  t.teardown(async () => {
    clearInterval(beating);
    await stranger.close();
  });
  await worker.stop();
  const { messages } = await watch(scene, jobId, '', ({ message }) => /no beat of its worker/.test(String(message)));
  t.match(messages.at(-1), { status: 'queued', message: /no beat of its worker for 2 s/ });
});
