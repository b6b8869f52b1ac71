import t, { type Test } from 'tap';
import { startFaultRun, type FaultRun } from '../support/fault-run.ts';

/** Appends of an undisturbed job: key, job, extract, its start and 3 reports, the start and at least 6 reports. */
const fewestAppends = 14;
/** Reports that are answered: 3 of the extract, at least 6 of the training. */
const fewestReports = 9;
const most = 40;

/** A gateway that dies is not the worker's death: no attempt may be lost by it, on a slow machine neither. */
const patient = { env: { FORGE_LOSS_MS: '10000' } };

/** One job while each life of the gateway has the next of these faults, the last one over and over. @returns the deaths */
async function jobWithDyingGateway(t: Test, run: FaultRun, faults: readonly string[]): Promise<number> {
  const { gateway } = run.stack;
  await gateway.arm(Array.from({ length: most }, (_, n) => faults[Math.min(n, faults.length - 1)]!));
  const before = gateway.kills;
  const jobId = await run.job();
  const deaths = gateway.kills - before;
  await gateway.arm([]);
  const history = await run.check(t, 'the promises hold');
  t.comment(`${deaths} deaths, ${history.length} envelopes in the stream`);
  t.equal((await run.client.get(`/status/${jobId}`)).attempt, 1, 'no attempt was lost: the worker lived');
  return deaths;
}

t.test('a gateway that dies before and after every append of a job, and before every answer, loses and repeats nothing', { timeout: 200_000 }, async (t) => {
  const run = await startFaultRun(t, patient);
  // One that dies before its first append does so for ever; before its second, it makes one a life.
  t.ok((await jobWithDyingGateway(t, run, ['append.before:1', 'append.before:2'])) >= fewestAppends - 1, 'it died before each append');
  t.ok((await jobWithDyingGateway(t, run, ['append.after:1'])) >= fewestAppends, 'it died after each append');
  const answers = ['gateway.submit.answer:1', 'gateway.ask.started:1', 'gateway.ask.started:1,gateway.report.answer:2'];
  t.ok((await jobWithDyingGateway(t, run, answers)) >= fewestReports + 2, 'it died before each answer');
});
