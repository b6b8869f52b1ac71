import t from 'tap';
import { startPipelineRun } from '../../support/pipeline-run.ts';
import { stepMoments, strikeAt, taskSteps, type Target } from '../../support/pipeline-strikes.ts';

for (const target of ['guardian', 'gateway', 'nats-server'] as const satisfies Target[]) {
  t.test(`${target} that is killed in every step of a pipeline: it completes, once`, { timeout: 400_000 }, async (t) => {
    const run = await startPipelineRun(t, { env: { FORGE_LOSS_MS: '10000' } });
    for (const step of ['validate_data', ...taskSteps]) {
      // What the guardian does itself is not answered by a gateway.
      for (const moment of stepMoments.filter((one) => step !== 'validate_data' || one !== 'stepAccepted')) {
        const struck = strikeAt(run, target, step, moment);
        const id = await run.start();
        t.equal(await run.follow(id), 'completed', `${step} ${moment}`);
        await struck;
      }
    }
    await run.check(t, 'each has run once');
  });
}

t.test('a guardian that dies before and after each of its appends and requests', { timeout: 400_000 }, async (t) => {
  const run = await startPipelineRun(t, { env: { FORGE_LOSS_MS: '10000' } });
  const { guardian } = run.stack;
  // 21 appends: the project's claim, the plan, six steps of three events but one, the gate, the project's release.
  for (const faults of [
    ...Array.from({ length: 20 }, (_, index) => [`append.after:${index + 1}`]),
    ...Array.from({ length: 5 }, (_, index) => [`append.before:${4 * index + 2}`]),
    ...Array.from({ length: 5 }, (_, index) => [`guardian.step.${index % 2 === 0 ? 'before' : 'after'}:${index + 1}`]),
    ['guardian.call.answer:1', 'append.before:1', 'append.after:1', 'guardian.step.after:1'],
  ]) {
    const before = guardian.kills;
    await guardian.arm(faults);
    const id = await run.start();
    t.equal(await run.follow(id), 'completed', faults.join(' '));
    await guardian.killed(before + 1 + faults.length);
  }
  await run.check(t, 'each has run once');
});
