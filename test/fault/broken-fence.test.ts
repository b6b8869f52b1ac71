import { join } from 'node:path';
import t from 'tap';
import { checkFence } from '../support/check-attempts.ts';
import { startFaultRun } from '../support/fault-run.ts';
import { watchMoments } from '../support/moments.ts';

const withoutFence = [join(import.meta.dirname, '../chaos/broken-gateway.ts'), 'fence'];

t.test('with the fence taken away from the gateway a worker that hung is heard when it comes back, and the check says so', { timeout: 120_000 }, async (t) => {
  const { stack, client } = await startFaultRun(t, { gatewayMain: withoutFence });
  const moments = await watchMoments(stack.connection);
  const saved = moments.event((kind) => kind.case === 'checkpointSaved');
  const lost = moments.event((kind) => kind.case === 'attemptEnded' && kind.value.code === 'worker_lost');
  const jobId = await client.submit('key', { max_steps: 80, checkpoint_every_steps: 8 });
  await saved;
  stack.agent.signal('SIGSTOP');
  await lost;
  const late = moments.event((kind, taskId) => taskId === jobId && kind.case === 'reportAccepted' && kind.value.attempt === 1);
  stack.agent.signal('SIGCONT');
  await late;
  moments.stop();
  t.match(checkFence(await stack.history()).join('\n'), /reportAccepted of attempt 1, which is over/);
});
