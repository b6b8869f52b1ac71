import t from 'tap';
import { trainedState } from '../support/check-training.ts';
import { startFaultRun } from '../support/fault-run.ts';
import { watchMoments } from '../support/moments.ts';
import { describeStrike, jobUnder, type Strike } from '../support/strike.ts';

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

  // Whatever it had told of when it died is kept, and nothing that it had not.
  for (const [point, step, kept] of [['saving', 6, 3], ['told', 6, 6], ['result', 12, 12], ['end', 12, 12]] as const) {
    const strike: Strike = { target: 'trainer', death: { point, step } };
    const jobId = await jobUnder(t, run, [strike]);
    const history = await run.check(t, `killed at ${describeStrike(strike)}`);
    const { made } = (await trainedState(run.stack.blobs, history, jobId))!;
    t.equal((await run.client.get(`/status/${jobId}`)).attempt, 2);
    t.equal(made.filter(({ pid }) => pid === made[0]!.pid).length, kept, `steps of the first attempt that count`);
  }
});
