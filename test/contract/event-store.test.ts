import t, { type Test } from 'tap';
import { event } from '../../core/task/events.ts';
import { connectNats } from '../../core/nats.ts';
import { encodeEnvelope, sha256Hex } from '../../core/store/envelope.ts';
import { VersionConflict, type EventStore, type StoredEnvelope } from '../../core/store/event-store.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { startNats } from '../support/nats.ts';

const adapters: [string, (t: Test) => Promise<EventStore>][] = [
  ['memory', async () => createMemoryStore()],
  [
    'jetstream',
    async (t) => {
      const nats = await startNats(t);
      const connection = await connectNats(nats.url, 'test');
      t.teardown(() => connection.close());
      return createJetStreamStore(connection);
    },
  ],
];

const bytesOf = (id: string, n: number): Uint8Array =>
  encodeEnvelope('task', id, { commandId: `c${n}`, actor: 'test', time: n }, '', [event('pauseRequested', {})]);

for (const [name, open] of adapters) {
  t.test(`event store: ${name}`, async (t) => {
    const store = await open(t);
    await t.test('appends at the expected version and reads back the same bytes', async (t) => {
      const first = await store.append('task', 'job_1', bytesOf('job_1', 1), 0);
      const follow = await store.append('task', 'job_1.export', bytesOf('job_1.export', 2), 0);
      const second = await store.append('task', 'job_1', bytesOf('job_1', 3), first);
      const read = [];
      for await (const stored of store.readAggregate('task', 'job_1', 0)) read.push([stored.sequence, (stored as StoredEnvelope).id, sha256Hex(stored.bytes)]);
      t.strictSame(read, [
        [first, 'job_1', sha256Hex(bytesOf('job_1', 1))],
        [second, 'job_1', sha256Hex(bytesOf('job_1', 3))],
      ]);
      t.equal(await store.lastSequence(), second);
      t.ok(follow > first && follow < second, 'one order over all aggregates');
      const rest = [];
      for await (const stored of store.readAggregate('task', 'job_1', first)) rest.push(stored.sequence);
      t.strictSame(rest, [second], 'after a version only what is newer');
    });
    await t.test('of 50 racers on one version exactly one wins', async (t) => {
      const results = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => store.append('model', 'p', bytesOf('p', n), 0)));
      t.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
      t.ok(results.every((result) => result.status === 'fulfilled' || result.reason instanceof VersionConflict), 'all others lose by version');
    });
    await t.test('a subscription brings all in order, then what is new', async (t) => {
      const abort = new AbortController();
      const end = await store.lastSequence();
      const seen: number[] = [];
      for await (const stored of store.subscribe(0, abort.signal)) {
        seen.push(stored.sequence);
        if (seen.length === end) void store.append('idem', 'key with spaces.and..dots*>', bytesOf('x', 9), 0);
        if (seen.length === end + 1) {
          t.equal((stored as StoredEnvelope).id, 'key with spaces.and..dots*>', 'any id survives the subject');
          abort.abort();
        }
      }
      t.strictSame(seen, Array.from({ length: end + 1 }, (_, index) => index + 1));
    });
  });
}

