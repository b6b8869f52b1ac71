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
