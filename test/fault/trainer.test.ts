import t from 'tap';
import { trainedState } from '../support/check-training.ts';
import { startFaultRun } from '../support/fault-run.ts';
import { watchMoments } from '../support/moments.ts';
import { jobUnder, type Strike } from '../support/strike.ts';

t.test('a trainer that is killed: its job completes, in a second attempt that goes on from what was saved', { timeout: 120_000 }, async (t) => {
  const run = await startFaultRun(t);

  // Half a second of training, of which the first tenth is saved and reported when the trainer is killed.
  const moments = await watchMoments(run.stack.connection);
  const killed = moments.event((kind) => kind.case === 'checkpointSaved').then(async () => {
    const pid = await run.stack.trainerPid();
    process.kill(pid, 'SIGKILL');
    return pid;
  });
  const jobId = await run.job({ max_steps: 80, checkpoint_every_steps: 8 });
  const pid = await killed;
  moments.stop();
  const history = await run.check(t, 'killed after a checkpoint was reported');
  const { made } = (await trainedState(run.stack.blobs, history, jobId))!;
  const first = made.filter((step) => step.pid === pid).length;
  t.ok(first >= 8 && first < 80 && first % 8 === 0, `the second attempt went on from a checkpoint (step ${first})`);
  t.equal(new Set(made.map((step) => step.pid)).size, 2, 'two trainers made the steps');
  t.equal((await run.client.get(`/status/${jobId}`)).attempt, 2);

  const deaths: Strike[] = (['saving', 'told'] as const).map((point) => ({ target: 'trainer', death: { point, step: 6 } }));
  for (const strike of [...deaths, { target: 'trainer', death: { point: 'end', step: 12 } } as const]) {
    const jobId = await jobUnder(t, run, [strike]);
    await run.check(t, `killed at ${JSON.stringify(strike)}`);
    t.equal((await run.client.get(`/status/${jobId}`)).attempt, 2);
  }
});
