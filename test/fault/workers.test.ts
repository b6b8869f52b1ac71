import t from 'tap';
import { startFaultRun } from '../support/fault-run.ts';

/**
 * Deaths during one job, one a life. At most four in a row may come without a checkpoint between them: the fifth
 * attempt that ends without progress is the job's last.
 */
const deaths = {
  agent: [
    ['agent.ask.after:3', 'agent.assigned:1', 'agent.begun:1'],
    ['agent.report.before:2', 'agent.report.after:1', 'agent.checkpoint.before:2', 'agent.checkpoint.after:1'],
    // The life after a death ends the attempt of the one before: it dies of that too.
    ['agent.trained:1', 'agent.report.before:1', 'agent.result:1', 'agent.ended:1'],
  ],
  guardian: [
    ['guardian.resolve.answer:1', 'agent.assigned:1', 'agent.begun:1', 'agent.report.after:1'],
    ['agent.result:1', 'agent.report.before:1', 'agent.report.after:1', 'agent.ended:1'],
  ],
} as const;

t.test('agent and guardian that die at each step of their work: each job completes, once', { timeout: 200_000 }, async (t) => {
  const run = await startFaultRun(t);
  for (const name of ['agent', 'guardian'] as const) {
    for (const faults of deaths[name]) {
      const process = run.stack[name];
      const before = process.kills;
      await process.arm(faults);
      const jobId = await run.job();
      // The last may be yet to come: after the end of the job its report is still to be put away.
      await process.killed(before + 1 + faults.length);
      const { attempt } = await run.client.get(`/status/${jobId}`);
      await run.check(t, `${name}: ${faults.join(' ')}`);
      t.comment(`${faults.length} deaths, attempt ${attempt}`);
    }
  }
});
