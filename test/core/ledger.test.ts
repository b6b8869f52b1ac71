import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { modelAggregate } from '../../core/model/model.ts';
import { reservationAggregate } from '../../core/idempotency/reservation.ts';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import { encodeEnvelope } from '../../core/store/envelope.ts';
import { UnknownOutcome, VersionConflict, type EventStore } from '../../core/store/event-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { event } from '../../core/task/events.ts';
import type { TaskCommand } from '../../core/task/commands.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { turnKey } from '../../core/task/turn.ts';

const spec = create(TaskSpecSchema, { kind: { case: 'export', value: { jobId: 'job_1' } } });
const queue = { type: 'queue', kind: TaskKind.EXPORT, project: 'p', spec, after: '', maxAttempts: 3 } as const;
const meta = (commandId: string = randomUUID()) => ({ commandId, actor: 'test', time: 1_000 });

async function open(t: Test, store: EventStore): Promise<Ledger> {
  const ledger = new Ledger({ store, aggregates: [taskAggregate, modelAggregate, reservationAggregate, baseModelAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  return ledger;
}
const snapshot = (ledger: Ledger): string => JSON.stringify([...ledger.all(taskAggregate)], (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));

t.test('two writers on one stream: each task is started once, and both fold to the same state', async (t) => {
  const store = createMemoryStore();
  const [a, b] = [await open(t, store), await open(t, store)];
  const ids = Array.from({ length: 20 }, (_, n) => `job_${n}`);
  await Promise.all(ids.map((id) => a.execute(taskAggregate, id, queue, meta())));
  const start = (workerId: string) => ({ type: 'start', workerId, bootId: 'b', slot: 's', askId: workerId }) as const;
  const won = await Promise.all(ids.flatMap((id) => [a, b].map((ledger, n) => ledger.execute(taskAggregate, id, start(`w${n}`), meta()).then(() => 1, () => 0))));
  t.equal(won.reduce((sum: number, one) => sum + one, 0), ids.length);
  const end = await store.lastSequence();
  await Promise.all([a.waitFor(end), b.waitFor(end)]);
  t.equal(snapshot(a), snapshot(b));
  t.equal(snapshot(await open(t, store)), snapshot(a), 'a projection rebuilt from nothing equals the running one');
  t.equal(a.rejected, 0);
});

t.test('an append that another one is in the way of, which is not decided yet, waits for it, and not for ever', async (t) => {
  const inner = createMemoryStore();
  let conflicts = 4;
  const store: EventStore = {
    ...inner,
    async append(aggregate, id, bytes, version) {
      if (conflicts-- > 0) throw new VersionConflict(`forge.${aggregate}.${id}`, version);
      return inner.append(aggregate, id, bytes, version);
    },
  };
  const ledger = await open(t, store);
  t.equal((await ledger.execute(taskAggregate, 'job_1', queue, meta())).changed, true);
  conflicts = Infinity;
  await t.rejects(ledger.execute(taskAggregate, 'job_2', queue, meta()), { code: 'unavailable', message: /not decided/ });
  t.equal(await store.lastSequence(), 1);
});

t.test('an append whose answer was lost is not made twice', async (t) => {
  const inner = createMemoryStore();
  let loseAnswers = 1;
  const store: EventStore = {
    ...inner,
    async append(aggregate, id, bytes, version) {
      const sequence = await inner.append(aggregate, id, bytes, version);
      if (loseAnswers-- > 0) throw new UnknownOutcome('forge.task.job_1', new Error('timeout'));
      return sequence;
    },
  };
  const ledger = await open(t, store);
  const { state, changed } = await ledger.execute(taskAggregate, 'job_1', queue, meta());
  t.equal(state.status, 'queued');
  t.equal(changed, true, 'it is known as its own');
  t.equal(await store.lastSequence(), 1);
});

t.test('a repeated command changes nothing, however much happened since', async (t) => {
  const store = createMemoryStore();
  const ledger = await open(t, store);
  await ledger.execute(taskAggregate, 'job_1', queue, meta());
  await ledger.execute(taskAggregate, 'job_1', { type: 'pause' }, meta('pause-1'));
  await ledger.execute(taskAggregate, 'job_1', { type: 'resume' }, meta());
  const behind = new Ledger({ store, aggregates: [taskAggregate] as never, logger: silentLogger });
  t.equal((await behind.execute(taskAggregate, 'job_1', { type: 'pause' }, meta('pause-1'))).state.status, 'queued', 'found at the leader by its command id');
  t.equal(await store.lastSequence(), 3);
});

t.test('a forged envelope is reported and never applied', async (t) => {
  const store = createMemoryStore();
  const ledger = await open(t, store);
  const { version } = await ledger.execute(taskAggregate, 'job_1', queue, meta());
  await ledger.waitFor(version);
  const before = snapshot(ledger);
  const forged = await store.append('task', 'job_1', encodeEnvelope('task', 'job_1', meta(), 'ab'.repeat(32), [event('taskPaused', {})]), version);
  await ledger.waitFor(forged);
  t.equal(ledger.rejected, 1, 'its hash of the envelope before does not match');
  t.equal(snapshot(ledger), before);
  await t.rejects(ledger.execute(taskAggregate, 'job_1', { type: 'resume' }, meta()), { code: 'wrong_state' }, 'and decisions do not build on it');
});

t.test('an idempotency key stands for one body and one job', async (t) => {
  const ledger = await open(t, createMemoryStore());
  const reserve = (bodySha256: string, jobId: string) => ledger.execute(reservationAggregate, 'key', { type: 'reserve', bodySha256, jobId }, meta());
  t.match((await reserve('aa', 'job_1')).state, { jobId: 'job_1' });
  t.match((await reserve('aa', 'job_2')).state, { jobId: 'job_1' }, 'a repeat gets the first job');
  await t.rejects(reserve('bb', 'job_3'), { code: 'idempotency_conflict' });
});

t.test('only the deploy that was asked for last moves the alias', async (t) => {
  const ledger = await open(t, createMemoryStore());
  const run = (command: Parameters<typeof modelAggregate.decide>[0]) => ledger.execute(modelAggregate, 'p', command, meta());
  for (const jobId of ['job_1', 'job_2']) {
    await run({ type: 'request-deploy', jobId, taskId: `${jobId}.deploy` });
    await run({ type: 'create-version', jobId, ggufDigest: 'd', backend: 'ollama', backendDigest: 'e' });
  }
  t.equal((await run({ type: 'promote', jobId: 'job_1', taskId: 'job_1.deploy' })).state.target, undefined);
  t.equal((await run({ type: 'promote', jobId: 'job_2', taskId: 'job_2.deploy' })).state.target, 'job_2');
  t.equal((await run({ type: 'promote', jobId: 'job_2', taskId: 'job_2.deploy' })).changed, false, 'deploying the current target does nothing');
});

t.test('find: what this ledger has not applied yet is read at the leader; an id that nobody gave out is not asked for', async (t) => {
  const inner = createMemoryStore();
  let reads = 0;
  const store: EventStore = { ...inner, readAggregate: (...of) => (reads++, inner.readAggregate(...of)) };
  const writer = await open(t, inner);
  const { version } = await writer.execute(taskAggregate, 'job_1', queue, meta());
  const behind = new Ledger({ store, aggregates: [taskAggregate] as never, logger: silentLogger });
  t.equal((await behind.find(taskAggregate, 'job_1')).version, version, 'found, though its fold has not begun');
  const asked = reads;
  t.ok(asked > 0);
  t.equal((await behind.find(taskAggregate, 'j'.repeat(201))).version, 0);
  t.equal(reads, asked, 'too long an id costs no read');
  const caughtUp = await open(t, store);
  reads = 0;
  t.equal((await caughtUp.find(taskAggregate, 'job_1')).version, version);
  t.equal(reads, 0, 'what is known here is not read again');
});

t.test('what is over is not among the open ones, until it is tried again; when it started stays known', async (t) => {
  const ledger = await open(t, createMemoryStore());
  const act = async (id: string, command: TaskCommand, time: number): Promise<void> => {
    const { version } = await ledger.execute(taskAggregate, id, command, { ...meta(), time });
    await ledger.waitFor(version);
  };
  const openIds = (): string[] => [...ledger.open(taskAggregate)].map(([id]) => id).sort();
  const start = { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: 'a' } as const;
  await act('one', { ...queue, maxAttempts: 1 }, 1_000);
  await act('two', queue, 1_000);
  await act('one', start, 2_000);
  t.strictSame(openIds(), ['one', 'two']);
  t.strictSame([...ledger.traces(taskAggregate)], []);
  await act('one', { type: 'lose', attempt: 1, reason: 'gone' }, 3_000);
  t.equal(ledger.head(taskAggregate, 'one').state.status, 'failed');
  t.strictSame(openIds(), ['two']);
  t.strictSame([...ledger.traces(taskAggregate)], [[turnKey(TaskKind.EXPORT, 'p'), 3]]);
  await act('one', { type: 'retry', requestId: 'again' }, 4_000);
  t.strictSame(openIds(), ['one', 'two']);
  await act('two', { type: 'cancel', reason: 'test' }, 5_000);
  t.strictSame(openIds(), ['one']);
  await act('one', start, 6_000);
  await act('one', { type: 'lose', attempt: 2, reason: 'gone' }, 7_000);
  t.strictSame(openIds(), []);
  t.strictSame([...ledger.traces(taskAggregate)], [[turnKey(TaskKind.EXPORT, 'p'), 7]]);
  await ledger.execute(reservationAggregate, 'key', { type: 'reserve', bodySha256: 'aa', jobId: 'j' }, meta()).then(({ version }) => ledger.waitFor(version));
  t.strictSame([...ledger.open(reservationAggregate)].map(([id]) => id), ['key'], 'of a kind that is never over all are open');
});
