import t from 'tap';
import { startFaultRun } from '../support/fault-run.ts';
import { randomIntegers, testSeed } from '../support/seed.ts';
import { describeStrike, jobUnder, randomStrike } from '../support/strike.ts';

const targets = [['nats-server', 'trainer'], ['gateway', 'agent'], ['trainer', 'nats-server']] as const;

t.test('two kills at seeded moments in each of three jobs', { timeout: 120_000 }, async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}: AI_FORGE_TEST_SEED=${seed} has the same moments`);
  const random = randomIntegers(seed);
  const run = await startFaultRun(t);
  for (const pair of targets) {
    const strikes = pair.map((target) => randomStrike(random, target));
    await jobUnder(t, run, strikes);
    await run.check(t, strikes.map(describeStrike).join(', '));
  }
});
