import t from 'tap';
import { AgentStatus } from '../../core/gen/aiforge/v1/fleet_pb.ts';
import { AttemptOutcome } from '../../core/gen/aiforge/v1/events_pb.ts';
import { startFaultRun } from '../support/fault-run.ts';
import { followFleet, isAgent, trains } from '../support/fleet-feed.ts';

t.test('each of two agents is drained, started anew and taken back under load: nothing is lost, nothing runs twice', { timeout: 180_000 }, async (t) => {
  const run = await startFaultRun(t);
  const { stack, client } = run;
  const agents = { local: stack.agent, second: await stack.anotherAgent('second') };
  // No checkpoint is ever due: what is saved is saved for a drain.
  const jobs = Array.from({ length: 6 }, () => run.job({ max_steps: 60, checkpoint_every_steps: 100 }));
  // Steps are quick: trainers wait at the fifth or later, so that each drain comes in the middle of a training.
  const hold = await stack.trainerHolds('train', 5);

  for (const [name, process] of Object.entries(agents)) {
    const until = followFleet(t, stack.url, name);
    await until(trains(name));
    await client.post(`/v1/agents/${name}/drain`, { mode: 'checkpoint' });
    await until(isAgent(name, AgentStatus.DRAINED));
    await process.kill();
    await process.ready();
    await client.post(`/v1/agents/${name}/uncordon`, {});
    await until(isAgent(name, AgentStatus.READY));
  }
  await hold.release();
  await Promise.all(jobs);

  const history = await run.check(t, 'all promises hold');
  const outcomes: AttemptOutcome[] = [];
  let saved = 0;
  for (const { envelope } of history) {
    for (const { kind } of envelope.events) {
      if (kind.case === 'attemptEnded') outcomes.push(kind.value.outcome);
      if (kind.case === 'checkpointSaved') saved += 1;
    }
  }
  const counted = outcomes.filter((outcome) => outcome !== AttemptOutcome.COMPLETED && outcome !== AttemptOutcome.RETURNED);
  t.same(counted, [], 'no attempt counts as failed or lost');
  t.ok(outcomes.filter((outcome) => outcome === AttemptOutcome.RETURNED).length >= 2, 'each agent gave back what it ran');
  t.ok(saved >= 2, 'and saved first, where no checkpoint was due');
});
