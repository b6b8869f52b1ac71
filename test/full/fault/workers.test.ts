import t from 'tap';
import { startFaultRun } from '../../support/fault-run.ts';

/** Before and after the n-th report of a life; from the second life on the first report ends the attempt before. */
const around = (from: number, to: number, point: string): string[][] =>
  Array.from({ length: to - from + 1 }, (_, index) => [`${point}.before:${from + index}`, `${point}.after:${from + index}`]);

const deaths = {
  agent: [...around(1, 5, 'agent.report'), ...around(1, 2, 'agent.checkpoint'), ['agent.ask.before:3', 'agent.ask.after:3']],
  // A third report is the last one of an extract: the life after that finds it in the spool, and sends nothing else.
  guardian: [...around(1, 2, 'agent.report'), ['agent.report.before:3', 'agent.report.after:1'], ['agent.report.after:3']],
};

for (const name of ['agent', 'guardian'] as const) {
  t.test(`${name} that dies before and after any of its reports`, { timeout: 120_000 }, async (t) => {
    const run = await startFaultRun(t);
    const process = run.stack[name];
    for (const faults of deaths[name]) {
      const before = process.kills;
      await process.arm(faults);
      await run.job();
      await process.killed(before + 1 + faults.length);
      await run.check(t, faults.join(' '));
    }
  });
}
