import t from 'tap';
import { startFaultRun } from '../support/fault-run.ts';

/** Appends of an undisturbed job: key, job, extract, its start and 3 reports, the start and at least 6 reports. */
const fewestAppends = 14;
const most = 40;

for (const point of ['append.before', 'append.after'] as const) {
  t.test(`a gateway that dies at every append of a job (${point}) loses and repeats nothing`, { timeout: 120_000 }, async (t) => {
    const run = await startFaultRun(t);
    const { gateway } = run.stack;
    // Before its first append a gateway would die for ever; one that dies before its second does one a life.
    const lives = Array.from({ length: most }, (_, n) => (point === 'append.before' && n > 0 ? 'append.before:2' : `${point}:1`));
    await gateway.arm(lives);
    const killed = gateway.kills;
    const jobId = await run.job();
    const deaths = gateway.kills - killed;
    await gateway.arm([]);
    const history = await run.check(t, 'the promises hold');
    t.comment(`${deaths} deaths, ${history.length} appends`);
    t.ok(deaths >= fewestAppends - 1, `it died at each of its appends (${deaths} deaths)`);
    t.ok(gateway.waitingFaults === 0, 'no fault is left for later');
    t.equal((await run.client.get(`/status/${jobId}`)).attempt, 1, 'no attempt was lost: the worker lived');
  });
}
