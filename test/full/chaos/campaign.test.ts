import t from 'tap';
import { runCampaign } from '../../chaos/campaign.ts';
import { describePlan, planOf } from '../../chaos/plan.ts';
import { testSeed } from '../../support/seed.ts';

/** A moment of faults; what they leave behind takes its time too. */
const minutes = 0.3;

for (const cluster of [false, true]) {
  t.test(`a short campaign on ${cluster ? 'three NATS servers' : 'one NATS server'}: every promise holds`, { timeout: 900_000 }, async (t) => {
    const plan = planOf(testSeed(), minutes, cluster);
    t.comment(describePlan(plan));
    const { problems, figures, logs } = await runCampaign(t, plan, { cluster });
    t.comment(figures.join('\n'));
    if (!t.same(problems, [])) t.comment(logs);
  });
}

t.test('with the fence taken away from the gateways the check says so', { timeout: 900_000 }, async (t) => {
  const plan = planOf(3, minutes, false);
  // A worker that is stopped for longer than it takes to lose it, while it trains, and then goes on.
  const steps = 800;
  const jobs = plan.jobs.slice(0, 3).map((job, index) => ({ ...job, at: index, steps, user: 'watches' as const }));
  const faults = [{ kind: 'stop' as const, at: 6_000, forMs: 12_000, target: 'agent-1' }, { kind: 'stop' as const, at: 6_000, forMs: 12_000, target: 'agent-2' }];
  const { problems } = await runCampaign(t, { ...plan, jobs, faults }, { cluster: false, broken: 'fence' });
  t.match(problems.join('\n'), /reportAccepted of attempt \d+, which is over/);
});
