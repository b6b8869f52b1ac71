import { jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import t from 'tap';
import { allForbidden, destructive, guardedScene as scene, publish, subscribe } from '../support/guarded-trials.ts';

t.setTimeout(240_000);

t.test('an agent may ask, report, beat, send telemetry, and hear its answers and the wake-up', async (t) => {
  const { server, gateway, sequences } = await scene(t);
  const agent = await server.connect('agent', 'a1');
  for (const verb of ['ask', 'report', 'beat', 'pin']) {
    const subscription = gateway.subscribe(`work.${verb}.*`, { callback: (_error, message) => { message.respond(`${verb} by ${message.subject}`); } });
    await gateway.flush();
    t.equal((await agent.request(`work.${verb}.a1`, '', { timeout: 10_000 })).string(), `${verb} by work.${verb}.a1`);
    subscription.unsubscribe();
  }
  const woken = Promise.withResolvers<void>();
  agent.subscribe('work.wake', { callback: () => woken.resolve() });
  await agent.flush();
  gateway.publish('work.wake');
  await woken.promise;
  const before = await sequences();
  t.equal(await publish(agent, 'telemetry.a1.job_1.evaluate', 'a trial'), 'done');
  t.same(await sequences(), { ...before, TELEMETRY: before['TELEMETRY']! + 1 });
});

t.test('an agent may nothing else', async (t) => {
  const { server, sequences } = await scene(t);
  const agent = await server.connect('agent', 'a1');
  const before = await sequences();
  await allForbidden(t, agent, ['work.ask.a2', 'work.report.a2', 'work.beat.a2', 'work.pin.a2', 'work.beat.guardian', 'work.ask.deploy-g1', 'work.wake', 'telemetry.a2.job_1'], 'a1');
  await allForbidden(t, agent, ['forge.task.job_1', 'forge.project.p', 'forge.apikey.k', 'ticket.x', 'gateway.beat.x', 'gateway.state', 'pipeline.step', 'guardian.call.Retrain'], 'a1');
  await allForbidden(t, agent, ['_INBOX.a1.x', '_INBOX.a2.x', '_INBOX.deploy-g1.x', '_R_.x', '$SYS.REQ.SERVER.PING'], 'a1');
  await allForbidden(t, agent, [...destructive, '$JS.API.INFO', '$JS.API.STREAM.INFO.FORGE', '$JS.API.STREAM.CREATE.FORGE', '$JS.API.STREAM.MSG.GET.FORGE', '$JS.API.DIRECT.GET.FORGE', '$JS.API.CONSUMER.CREATE.FORGE.c', '$JS.API.CONSUMER.MSG.NEXT.FORGE.c', '$JS.ACK.FORGE.c.1.1.1.1.1'], 'a1');
  for (const subject of ['>', '_INBOX.>', '_INBOX.a2.>', '_INBOX.deploy-g1.>', '_INBOX.guardian.>', 'telemetry.>', 'telemetry.a1.>', 'telemetry.a2.>', 'work.>', 'work.ask.*', 'work.beat.a2', 'forge.>', 'ticket.*', 'gateway.beat.*', 'guardian.call.*', 'pipeline.step', '$JS.>', '_R_.>', '$SYS.>']) {
    t.equal(await subscribe(agent, subject), 'forbidden', `nor subscribe to ${subject}`);
  }
  t.same(await sequences(), before, 'and no stream has changed');
});

/** Whatever makes nats-server send something to a subject that the publisher names. */
const targets = ['forge.task.job_1', 'forge.project.p', 'telemetry.a2.job_1', 'work.report.a2', 'ticket.x', '$JS.API.STREAM.PURGE.FORGE', '$JS.API.STREAM.DELETE.FORGE', '_INBOX.a2.1', '_R_.x'];

t.test('an agent can have nothing written for it', async (t) => {
  const { server, gateway, sequences } = await scene(t);
  const agent = await server.connect('agent', 'a1');
  const other = await server.connect('agent', 'a2');
  const heard: string[] = [];
  const note = (_error: Error | null, message: { subject: string }): void => {
    heard.push(message.subject);
  };
  for (const subject of ['_INBOX.a2.>']) other.subscribe(subject, { callback: note });
  for (const subject of ['work.report.a2']) gateway.subscribe(subject, { callback: note });
  await Promise.all([other.flush(), gateway.flush()]);
  const before = await sequences();
  let sent = 0;
  for (const target of targets) {
    await publish(agent, 'telemetry.a1.job_1', 'a trial', { reply: target });
    await publish(agent, 'work.ask.a1', 'a trial', { reply: target });
    sent += 1;
    for (const [name, ...values] of [['Nats-Trace-Dest'], ['Nats-Schedule-Target'], ['Nats-Republish'], ['Nats-Response-To']] as const) {
      const head = headers();
      head.set(name, target, ...values);
      if (name === 'Nats-Schedule-Target') head.set('Nats-Schedule', '@at 2020-01-01T00:00:00Z');
      await publish(agent, 'telemetry.a1.job_1', 'a trial', { headers: head });
    }
  }
  for (const [name, value] of [['Nats-Rollup', 'all'], ['Nats-Rollup', 'sub'], ['Nats-Expected-Last-Sequence', '999'], ['Nats-TTL', '1s'], ['Nats-Batch-Id', 'b']] as const) {
    const head = headers();
    head.set(name, value);
    await publish(agent, 'telemetry.a1.job_1', 'a trial', { headers: head, reply: 'forge.task.job_1' });
  }
  // What the server does of its own accord it has done when the next thing is answered.
  await gateway.flush();
  const after = await sequences();
  t.same({ ...after, TELEMETRY: 0 }, { ...before, TELEMETRY: 0 }, 'no event, no ticket');
  const info = await (await jetstreamManager(gateway, { checkAPI: false })).streams.info('TELEMETRY', { subjects_filter: '>' });
  t.same(Object.keys(info.state.subjects ?? {}), ['telemetry.a1.job_1'], 'telemetry under its own name alone');
  t.ok(info.state.messages >= sent, 'and nothing of it was rolled up');
  t.same(heard, [], 'and nobody else has heard anything');
});
