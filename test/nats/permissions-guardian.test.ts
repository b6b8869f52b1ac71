import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import t, { type Test } from 'tap';
import { guardianApiPrefix } from '../../core/nats.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { asGuardian } from '../../deploy/nats/permissions.ts';
import { allForbidden, destructive, guardedScene, publish, subscribe } from '../support/guarded-trials.ts';

t.setTimeout(240_000);

const bytes = new TextEncoder().encode('an envelope');

t.test('the guardian appends project and pipeline events, reads all, and is answered', async (t) => {
  const { server, gateway, store, sequences } = await guardedScene(t);
  await store.append('task', 'job_1', bytes, 0);
  const guardian = await server.connect('guardian');
  const own = await createJetStreamStore(guardian, { apiPrefix: guardianApiPrefix });
  t.equal(await own.append('project', 'p', bytes, 0), 2);
  t.equal(await own.append('pipeline', 'run.1', bytes, 0), 3);
  await t.rejects(own.append('project', 'p', bytes, 0), { name: 'VersionConflict' }, 'with the check of versions');
  t.equal(await own.lastSequence(), 3);
  const seen: number[] = [];
  const done = new AbortController();
  for await (const stored of own.subscribe(0, done.signal)) {
    seen.push(stored.sequence);
    if (stored.sequence === 3) await store.append('task', 'job_2', bytes, 0);
    if (stored.sequence === 4) done.abort();
  }
  t.same(seen, [1, 2, 3, 4], 'what was there and what comes');
  const read = await Array.fromAsync(own.readAggregate('task', 'job_1', 0));
  t.same(read.map(({ sequence }) => sequence), [1], 'an aggregate at the leader');

  const second = await server.connect('gateway', 'g2');
  const answering = (connection: typeof gateway, subject: string, answer: string): void => void connection.subscribe(subject, { callback: (_error, message) => { message.respond(answer); } });
  answering(gateway, 'pipeline.step', 'step');
  for (const [connection, name] of [[gateway, 'g1'], [second, 'g2']] as const) answering(connection, 'work.beat.*', name);
  await Promise.all([gateway.flush(), second.flush()]);
  t.equal((await guardian.request('pipeline.step', '', { timeout: 10_000 })).string(), 'step');
  const answers = new Set<string>();
  const both = Promise.withResolvers<void>();
  guardian.subscribe('_INBOX.guardian.beat.*', { callback: (_error, message) => { answers.add(message.string()); if (answers.size === 2) both.resolve(); } });
  guardian.publish('work.beat.guardian', '', { reply: '_INBOX.guardian.beat.1' });
  await both.promise;
  t.same([...answers].sort(), ['g1', 'g2'], 'a beat by every gateway');

  guardian.subscribe('guardian.call.*', { queue: 'guardian', callback: (_error, message) => { message.respond('working'); message.respond('working'); message.respond('done'); } });
  await guardian.flush();
  const replies: string[] = [];
  const replied = Promise.withResolvers<void>();
  gateway.subscribe('_INBOX.gateway.1', { callback: (_error, message) => { replies.push(message.string()); if (message.string() === 'done') replied.resolve(); } });
  gateway.publish('guardian.call.Retrain', '', { reply: '_INBOX.gateway.1' });
  await replied.promise;
  t.same(replies, ['working', 'working', 'done'], 'a call is answered more than once');

  const woken = Promise.withResolvers<void>();
  guardian.subscribe('work.wake', { callback: () => woken.resolve() });
  await guardian.flush();
  gateway.publish('work.wake');
  await woken.promise;
  const before = await sequences();
  t.equal(await publish(guardian, 'telemetry.guardian.job_1.extract', 'x'), 'done');
  await gateway.flush();
  t.same(await sequences(), { ...before, TELEMETRY: before['TELEMETRY']! + 1 });
});

t.test('the guardian may append nothing else, whatever it names as the reply subject', async (t) => {
  const { server, gateway, store, sequences } = await guardedScene(t);
  const guardian = await server.connect('guardian');
  const own = await createJetStreamStore(guardian, { apiPrefix: guardianApiPrefix });
  await own.append('project', 'p', bytes, 0);
  await store.append('task', 'job_1', bytes, 0);
  const before = await sequences();
  await allForbidden(t, guardian, ['forge.task.job_1', 'forge.model.m', 'forge.apikey.k', 'forge.idem.i', 'ticket.x', 'work.wake', 'work.ask.a1', 'work.report.deploy-g1', 'telemetry.a1.job_1', 'guardian.call.Retrain', 'gateway.state', '_INBOX.a1.x'], 'the guardian');
  await allForbidden(t, guardian, [...destructive, ...[...destructive, '$JS.API.STREAM.CREATE.FORGE', '$JS.API.STREAM.INFO.TICKETS', '$JS.API.STREAM.MSG.GET.TICKETS', '$JS.API.CONSUMER.CREATE.TELEMETRY.c'].map(asGuardian)], 'the guardian');
  for (const subject of ['>', 'forge.>', 'work.ask.*', '_INBOX.a1.>', '_INBOX.gateway.>', 'ticket.*', 'telemetry.>', '$JS.>']) t.equal(await subscribe(guardian, subject), 'forbidden', subject);
  t.same(await sequences(), before);

  const heard: string[] = [];
  for (const subject of ['work.report.a1', '_INBOX.gateway.1', '_INBOX.deploy-g1.1', 'gateway.beat.x']) {
    gateway.subscribe(subject, { callback: (_error, message) => { if (message.string() !== '') heard.push(`${subject} ${message.reply}`); } });
  }
  const manager = await jetstreamManager(guardian, { apiPrefix: guardianApiPrefix, checkAPI: false });
  const pull = await jetstream(guardian, { apiPrefix: guardianApiPrefix }).consumers.get('FORGE', { deliver_policy: 'all' as never });
  const { name } = await pull.info();
  for (const target of ['forge.task.job_2', 'forge.apikey.k', 'ticket.x', 'telemetry.a1.job_1', '_INBOX.gateway.1', '_INBOX.deploy-g1.1', 'work.report.a1', '$JS.API.STREAM.DELETE.FORGE', '$JS.API.STREAM.PURGE.TELEMETRY']) {
    // An answer of JetStream's API, a stored message, an acknowledgement, an answer of a gateway.
    await publish(guardian, `${guardianApiPrefix}.STREAM.INFO.FORGE`, '', { reply: target });
    await publish(guardian, `${guardianApiPrefix}.STREAM.MSG.GET.FORGE`, '{"seq":1}', { reply: target });
    await publish(guardian, `${guardianApiPrefix}.CONSUMER.MSG.NEXT.FORGE.${name}`, '{"batch":10,"no_wait":true}', { reply: target });
    await publish(guardian, 'forge.project.p', 'x', { reply: target });
    await publish(guardian, 'pipeline.step', 'x', { reply: target });
  }
  t.same({ ...(await settled()), FORGE: 0 }, { ...before, FORGE: 0 }, 'no ticket and no telemetry');
  const { state } = await manager.streams.info('FORGE', { subjects_filter: '>' });
  t.same(Object.keys(state.subjects ?? {}).sort(), ['forge.project.p', 'forge.task.job_1'], 'no event of others');
  t.same(heard, [], 'and nobody has heard anything');

  // A push consumer delivers to where its maker says, in the account of the stream.
  for (const target of ['forge.task.job_2', 'ticket.x', 'telemetry.a1.job_1', '$JS.API.STREAM.DELETE.FORGE', '$JS.API.STREAM.PURGE.TELEMETRY']) {
    const config = { name: `push-${target.length}`, deliver_subject: target, ack_policy: 'none', deliver_policy: 'all' };
    const answer = await guardian.request(`${guardianApiPrefix}.CONSUMER.CREATE.FORGE.${config.name}`, JSON.stringify({ stream_name: 'FORGE', config }), { timeout: 10_000 });
    t.equal(answer.json<{ error?: { err_code: number } }>().error?.err_code, target.startsWith('forge.') ? 10081 : undefined, `${target}: nats-server takes all but what makes a circle`);
  }
  t.same({ ...(await settled()), FORGE: 0 }, { ...before, FORGE: 0 }, 'nor by a push consumer');
  t.same(Object.keys((await manager.streams.info('FORGE', { subjects_filter: '>' })).state.subjects ?? {}).sort(), ['forge.project.p', 'forge.task.job_1']);

  /** What a consumer delivers it delivers in order: when a later message has come to somebody else, so has it. */
  async function settled(): Promise<Record<string, number>> {
    const end = await store.append('task', 'job_1', bytes, await newest());
    const done = new AbortController();
    for await (const stored of own.subscribe(end - 1, done.signal)) if (stored.sequence >= end) done.abort();
    await gateway.flush();
    return sequences();
  }
  async function newest(): Promise<number> {
    const all = await Array.fromAsync(store.readAggregate('task', 'job_1', 0));
    return all.at(-1)!.sequence;
  }
});

t.test('a gateway appends all but the guardian’s events, an operator reads and restores, and neither removes anything', async (t: Test) => {
  const { server, gateway, store, sequences } = await guardedScene(t);
  for (const kind of ['task', 'model', 'idem', 'base', 'apikey', 'file', 'agent']) t.equal(typeof (await store.append(kind, 'x', bytes, 0)), 'number', kind);
  const operator = await server.connect('operator');
  const own = await createJetStreamStore(operator);
  t.equal((await Array.fromAsync(own.readAggregate('task', 'x', 0))).length, 1);
  t.equal(typeof (await own.append('apikey', 'y', bytes, 0)), 'number', 'it makes API keys');
  const before = await sequences();
  await allForbidden(t, gateway, ['forge.project.p', 'forge.pipeline.p', 'work.report.a1', 'telemetry.a1.job_1', ...destructive], 'a gateway');
  await allForbidden(t, operator, ['work.ask.a1', 'work.wake', 'ticket.x', 'telemetry.a1.x', 'guardian.call.Retrain', 'pipeline.step', '_INBOX.a1.x', ...destructive], 'an operator');
  t.equal(await subscribe(operator, 'forge.>'), 'forbidden');
  t.same(await sequences(), before);
});
