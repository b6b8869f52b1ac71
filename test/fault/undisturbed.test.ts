import t from 'tap';
import { startFaultRun } from '../support/fault-run.ts';

t.test('without a fault a job takes one attempt, and every check passes', { timeout: 60_000 }, async (t) => {
  const run = await startFaultRun(t);
  const jobId = await run.job();
  await run.check(t, 'the promises hold');
  t.equal((await run.client.get(`/status/${jobId}`)).attempt, 1);
});
