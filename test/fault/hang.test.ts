import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { trainedState } from '../support/check-training.ts';
import { startFaultRun } from '../support/fault-run.ts';
import { watchMoments } from '../support/moments.ts';

/** Two thirds of a second, so that it goes on for a while after its first checkpoint. */
const training = { max_steps: 80, checkpoint_every_steps: 8 };

t.test('an agent that hangs until its attempt is lost, and comes back while another one runs the next, changes nothing', { timeout: 60_000 }, async (t) => {
  const run = await startFaultRun(t);
  const moments = await watchMoments(run.stack.connection);
  const { agent } = run.stack;
  const saved = moments.event((kind) => kind.case === 'checkpointSaved');
  const lost = moments.event((kind) => kind.case === 'attemptEnded' && kind.value.code === 'worker_lost');
  const elsewhere = moments.event((kind) => kind.case === 'attemptStarted' && kind.value.workerId === 'another');
  const job = run.job(training);
  await saved;
  agent.signal('SIGSTOP');
  // Its trainer is not stopped: it ends meanwhile, and what it made waits in the pipe.
  const first = await run.stack.trainerPid();
  await run.stack.anotherAgent('another');
  await Promise.all([lost, elsewhere]);
  const refused = agent.logged(/a report was refused: the attempt is over/);
  agent.signal('SIGCONT');
  const jobId = await job;
  moments.stop();
  const history = await run.check(t, 'the promises hold');
  await refused;
  t.equal((await run.client.get(`/status/${jobId}`)).attempt, 2);
  const { made } = (await trainedState(run.stack.blobs, history, jobId))!;
  t.not(made.at(-1)!.pid, first, 'the result is that of the second attempt');
});

t.test('what does not kill the worker loses no attempt', { timeout: 90_000 }, async (t) => {
  const run = await startFaultRun(t);

  t.test('NATS away for longer than a silent worker is given loses nobody, though the worker is the last to come back', async (t) => {
    const { agent, nats, connection } = run.stack;
    const moments = await watchMoments(connection);
    const saved = moments.event((kind) => kind.case === 'checkpointSaved');
    const job = run.job(training);
    await saved;
    const ownBeats = connection.subscribe('gateway.beat.>', { max: 4 });
    await nats.kill();
    // Time itself is what is tested: more of it than `lossMs`.
    await setTimeout(2_000);
    agent.signal('SIGSTOP');
    await nats.start();
    for await (const _beat of ownBeats);
    agent.signal('SIGCONT');
    const jobId = await job;
    moments.stop();
    await run.check(t, 'the promises hold');
    t.equal((await run.client.get(`/status/${jobId}`)).attempt, 1);
  });

  t.test('a gateway that hangs for longer than a silent worker is given loses nobody', async (t) => {
    const moments = await watchMoments(run.stack.connection);
    const saved = moments.event((kind) => kind.case === 'checkpointSaved');
    const job = run.job(training);
    await saved;
    run.stack.gateway.signal('SIGSTOP');
    const stoppedAt = performance.now();
    // Time itself is what is tested: more of it than `lossMs`, as the worker's own beats count it.
    await beats(run.stack.connection, 20);
    t.ok(performance.now() - stoppedAt > 1_500, 'it hung for longer than it takes to lose a worker');
    run.stack.gateway.signal('SIGCONT');
    const jobId = await job;
    moments.stop();
    await run.check(t, 'the promises hold');
    t.equal((await run.client.get(`/status/${jobId}`)).attempt, 1);
  });
});

/** Resolves after so many beats of the agent. */
async function beats(connection: { subscribe(subject: string, options: { max: number }): AsyncIterable<unknown> }, count: number): Promise<void> {
  for await (const _beat of connection.subscribe('work.beat.local', { max: count }));
}
