import t from 'tap';
import { startFaultRun } from '../../support/fault-run.ts';
import { randomIntegers, testSeed } from '../../support/seed.ts';
import { describeStrike, jobUnder, randomStrike } from '../../support/strike.ts';

const killsPerJob = 2;

t.test('30 kills at seeded moments, two in each of 15 jobs', { timeout: 600_000 }, async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}: AI_FORGE_TEST_SEED=${seed} has the same moments`);
  const random = randomIntegers(seed);
  const run = await startFaultRun(t);
  // Each of the five is killed six times; who dies together with whom, and when, is the seed's choice.
  const targets = Array.from({ length: 30 }, (_, n) => (['gateway', 'agent', 'guardian', 'nats-server', 'trainer'] as const)[n % 5]!);
  while (targets.length > 0) {
    const strikes = Array.from({ length: killsPerJob }, () => randomStrike(random, targets.splice(random(0, targets.length - 1), 1)[0]!));
    // One order to die lies there for the trainer at a time: a second one for it comes in a job of its own.
    const [first, second] = strikes;
    const rounds = first!.target === 'trainer' && second!.target === 'trainer' ? [[first!], [second!]] : [strikes];
    for (const round of rounds) {
      await jobUnder(t, run, round);
      await run.check(t, round.map(describeStrike).join(', '));
    }
  }
});
