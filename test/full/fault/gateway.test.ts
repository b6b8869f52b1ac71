import t from 'tap';
import { startFaultRun } from '../../support/fault-run.ts';
import { watchMoments } from '../../support/moments.ts';

const patient = { env: { FORGE_LOSS_MS: '10000' } };

// That it may die at each of its appends in turn is tested elsewhere; here it lives on after one death.
t.test('a gateway that dies once, after every second append of a job', { timeout: 300_000 }, async (t) => {
  const run = await startFaultRun(t, patient);
  for (let append = 1; append <= 13; append += 2) {
    const { gateway } = run.stack;
    const before = gateway.kills;
    await gateway.arm([`append.after:${append}`]);
    await run.job();
    await gateway.killed(before + 2);
    await run.check(t, `append ${append}`);
  }
});

t.test('a gateway that dies after every answer that a worker gets, and after the client has its own', { timeout: 120_000 }, async (t) => {
  const run = await startFaultRun(t, patient);
  const { gateway } = run.stack;
  const before = gateway.kills;
  const jobId = await run.client.submit('key-after-answers', { max_steps: 12, checkpoint_every_steps: 3 });
  await gateway.kill();
  const moments = await watchMoments(run.stack.connection);
  moments.each(({ subject }) => {
    if (subject.startsWith('_INBOX.')) void gateway.kill();
  });
  await run.client.follow(jobId);
  moments.stop();
  await run.check(t, 'the promises hold');
  const deaths = gateway.kills - before;
  t.comment(`${deaths} deaths`);
  // The answers: two assignments, three reports of the extract, at least six of the training; the last kill may still be on its way.
  t.ok(deaths >= 10, `it died after each answer (${deaths} deaths)`);
});
