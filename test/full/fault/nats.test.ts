import t from 'tap';
import { startFaultRun } from '../../support/fault-run.ts';
import { describeStrike, jobUnder, type Strike } from '../../support/strike.ts';

t.test('nats-server dies at every third moment of a job, from the first append to the last report', { timeout: 600_000 }, async (t) => {
  const run = await startFaultRun(t);
  for (let moment = 1; moment <= 28; moment += 3) {
    const strike: Strike = { target: 'nats-server', moment };
    await jobUnder(t, run, [strike]);
    await run.check(t, describeStrike(strike));
  }
});

t.test('nats-server dies five times during one job', { timeout: 120_000 }, async (t) => {
  const run = await startFaultRun(t);
  await jobUnder(t, run, [1, 6, 12, 18, 24].map((moment) => ({ target: 'nats-server', moment })));
  await run.check(t, 'the promises hold');
});
