import { deepStrictEqual } from 'node:assert';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { allAggregates } from '../../core/aggregates.ts';
import { silentLogger, type Logger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { createJetStreamStore, type JetStreamStore } from '../../core/store/jetstream-store.ts';
import { decodeEnvelope } from '../../core/store/envelope.ts';
import type { Heads } from '../../core/store/kind-fold.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { Replay } from '../../core/store/replay.ts';
import { foldSchema } from '../../core/store/snapshot/fold-schema.ts';
import { keepSnapshot, openSnapshot } from '../../core/store/snapshot/keep-snapshot.ts';
import { PackedHead } from '../../core/store/snapshot/packed-head.ts';
import { readSnapshot, writeSnapshot, type Snapshot } from '../../core/store/snapshot/snapshot-file.ts';
import { decodeStates, encodeStates } from '../../core/store/snapshot/state-codec.ts';
import { digestState } from '../../core/store/state-digest.ts';
import { subjectOf } from '../../core/store/subject.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { history } from '../bench/fleet/history.ts';
import { startNats } from '../support/nats.ts';

const kinds = allAggregates.map(({ name }) => name);
const schema = 'a schema';

async function makeScene(t: Test) {
  const nats = await startNats(t);
  const connection = await connectNats(nats.url, 'test');
  const dir = await mkdtemp(join(tmpdir(), 'forge-snapshot-'));
  t.teardown(async () => {
    await connection.close();
    await rm(dir, { recursive: true, force: true });
  });
  const warnings: unknown[] = [];
  const logger: Logger = { ...silentLogger, warn: (_message, facts) => void warnings.push(facts?.['reason'] ?? facts?.['error']) };
  const store = await createJetStreamStore(connection);
  const client = jetstream(connection);
  const path = join(dir, 'events.snapshot');
  const jobs = [...history(3)];
  return {
    store, path, logger, warnings,
    /** Appends some of the messages of three jobs. */
    async fill(from: number, to: number) {
      for (const { aggregate, id, bytes } of jobs.slice(from, to)) await client.publish(subjectOf(aggregate, id), bytes);
    },
    publish: (subject: string, text: string) => client.publish(subject, text),
    open: (options: { schema?: string; kinds?: string[]; store?: JetStreamStore } = {}) =>
      openSnapshot({ path, schema: options.schema ?? schema, logger, kinds: options.kinds ?? kinds, message: (options.store ?? store).message }),
  };
}

/** Folds to the end. @returns the digest of its states, and the sequence that it read from */
async function folded(t: Test, store: JetStreamStore, snapshot?: Awaited<ReturnType<typeof openSnapshot>>) {
  let readAfter = -1;
  const watched: JetStreamStore = { ...store, subscribe: (after, signal) => store.subscribe((readAfter = after), signal) };
  const ledger = new Ledger({ store: watched, aggregates: allAggregates, logger: silentLogger, snapshot });
  t.teardown(() => ledger.stop());
  await ledger.start();
  return { ledger, readAfter, digest: await digestState(ledger.replay), ids: [...ledger.replay.heads('task').keys()], rejected: ledger.rejected };
}

t.test('a start from a snapshot gives the state that a replay of everything gives', async (t) => {
  const scene = await makeScene(t);
  await scene.fill(0, 70);
  await scene.publish('forge.task.job_20260101_000000', 'no envelope');
  await scene.fill(70, 75);
  const first = await folded(t, scene.store);
  t.equal(first.rejected, 1);
  const keeping = keepSnapshot({ path: scene.path, schema, logger: scene.logger, ledger: first.ledger, times: { messagesAtStop: 1 } });
  await keeping.stop();
  t.equal((await stat(scene.path)).mode & 0o777, 0o600);
  await scene.fill(75, 114);

  const snapshot = await scene.open();
  const fromSnapshot = await folded(t, scene.store, snapshot);
  const fromNothing = await folded(t, scene.store);
  t.equal(fromSnapshot.readAfter, 76, 'only the rest is read');
  t.equal(fromNothing.readAfter, 0);
  t.strictSame(fromSnapshot.digest, fromNothing.digest);
  t.strictSame(fromSnapshot.ids, fromNothing.ids, 'in the same order');
  t.equal(fromSnapshot.rejected, 1, 'what was not applied is still told');
  t.equal(fromSnapshot.ledger.snapshot().sha256, fromNothing.ledger.snapshot().sha256);
  t.strictSame(scene.warnings, []);
});

t.test('what is altered, cut off, of another version, of other kinds or of another stream is not used', async (t) => {
  const scene = await makeScene(t);
  t.equal(await scene.open(), undefined, 'there is none yet');
  await scene.fill(0, 114);
  const { ledger } = await folded(t, scene.store);
  await writeSnapshot(scene.path, schema, ledger.snapshot());
  t.ok(await scene.open(), 'it is used');
  t.strictSame(scene.warnings, []);

  t.equal(await scene.open({ schema: 'an older schema' }), undefined);
  t.equal(await scene.open({ kinds: kinds.slice(1) }), undefined);
  const other = await makeScene(t);
  await other.fill(0, 10);
  t.equal(await scene.open({ store: other.store }), undefined, 'a shorter stream');
  await other.fill(11, 114);
  await other.publish('forge.task.other', 'x');
  t.equal(await scene.open({ store: other.store }), undefined, 'as long, and with another message there');

  const bytes = await readFile(scene.path);
  for (const at of [0, 40, bytes.length >> 1, bytes.length - 1]) {
    const altered = Buffer.from(bytes);
    altered[at]! ^= 1;
    await writeFile(scene.path, altered);
    t.equal(await scene.open(), undefined, `byte ${at} is altered`);
  }
  for (const length of [0, 10, bytes.length - 100]) {
    await writeFile(scene.path, bytes.subarray(0, length));
    t.equal(await scene.open(), undefined, `cut off at ${length}`);
  }
  t.strictSame(scene.warnings, ['it was written by another version', 'it holds other kinds of aggregates', 'it is of another stream', 'it is of another stream', ...Array.from({ length: 7 }, () => 'its digest does not match')]);
  await writeFile(scene.path, bytes);
  t.ok(await scene.open(), 'as it was');
});

/** The messages of three jobs. */
const envelopes = [...history(3)].map(({ aggregate, id, bytes }, index) => ({ sequence: index + 1, aggregate, id, bytes, envelope: decodeEnvelope(bytes) }));

t.test('wherever a snapshot was taken, what is folded on it is what a replay of everything is', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'forge-snapshot-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'events.snapshot');
  const folds = (from: number, to: number, replay: Replay): Replay => {
    for (const one of envelopes.slice(from, to)) replay.apply(one);
    return replay;
  };
  const seen = async (replay: Replay) => ({
    open: replay.kinds().map((kind) => [...replay.open(kind)].map(([id]) => id).sort()),
    traces: replay.kinds().map((kind) => [...replay.traces(kind)].sort()),
    ids: replay.kinds().map((kind) => [...replay.heads(kind).keys()]),
    digest: await digestState(replay),
    sha256: replay.sha256,
  });
  await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: envelopes.length }), fc.integer({ min: 0, max: envelopes.length }), fc.boolean(), async (a, b, again) => {
    const [cut, end] = [Math.min(a, b), Math.max(a, b)];
    await writeSnapshot(path, schema, { ...folds(0, cut, new Replay(allAggregates)).snapshot(), rejected: 0 });
    const restored = new Replay(allAggregates);
    restored.restore((await readSnapshot(path, schema, kinds)) as Snapshot<Heads>);
    if (again) {
      // Written before anything of it was read.
      const first = await readFile(path);
      await writeSnapshot(path, schema, { ...restored.snapshot(), rejected: 0 });
      deepStrictEqual(await readFile(path), first);
    }
    deepStrictEqual(await seen(folds(cut, end, restored)), await seen(folds(0, end, new Replay(allAggregates))));
  }), { numRuns: 60, examples: [[0, 0, true], [40, 60, false], [114, 114, true]] });
});

t.test('a head is read when it is first looked at, once, and all of them in the background', async (t) => {
  const scene = await makeScene(t);
  await scene.fill(0, 114);
  const { ledger } = await folded(t, scene.store);
  await writeSnapshot(scene.path, schema, ledger.snapshot());
  const started = new Ledger({ store: scene.store, aggregates: allAggregates, logger: silentLogger, snapshot: await scene.open() });
  t.teardown(() => started.stop());
  await started.start();
  const packed = (): string[] => [...started.replay.heads('task')].filter(([, head]) => head instanceof PackedHead && head.bytes !== undefined).map(([id]) => id);
  t.equal(packed().length, 12, 'a start reads none');
  t.strictSame([...started.open(taskAggregate)], [], 'nor does who looks for work');
  const { state } = started.head(taskAggregate, 'job_20260101_000001');
  t.strictSame(state, ledger.head(taskAggregate, 'job_20260101_000001').state);
  t.equal(started.head(taskAggregate, 'job_20260101_000001').state, state, 'the same object each time');
  t.equal(packed().length, 11);
  started.unpack();
  while (packed().length > 0) await setImmediate();
  t.equal(started.head(taskAggregate, 'job_20260101_000001').state, state);
});

t.test('few messages are not worth a snapshot; one that can’t be written is told', async (t) => {
  const scene = await makeScene(t);
  await scene.fill(0, 114);
  const { ledger } = await folded(t, scene.store);
  await keepSnapshot({ path: scene.path, schema, logger: scene.logger, ledger, times: { messages: 1_000, messagesAtStop: 115 } }).stop();
  await t.rejects(stat(scene.path), { code: 'ENOENT' });
  await keepSnapshot({ path: join(scene.path, 'no folder'), schema, logger: scene.logger, ledger, times: { messagesAtStop: 114 } }).stop();
  t.match(scene.warnings, [/ENOENT/]);
});

t.test('values come back exactly as they were', async (t) => {
  const leaf = fc.oneof(fc.bigInt(), fc.double(), fc.constantFrom(undefined, null, Infinity, -0, NaN), fc.string({ unit: 'binary' }), fc.boolean(), fc.uint8Array());
  const value = fc.letrec((tie) => ({ any: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('any')), fc.dictionary(fc.string(), tie('any'), { noNullPrototype: true }), fc.array(fc.tuple(leaf, tie('any'))).map((all) => new Map(all))) })).any;
  fc.assert(fc.property(value, (one) => deepStrictEqual(decodeStates(encodeStates(one)), one)), { numRuns: 500 });
  t.strictSame(Object.keys(decodeStates(encodeStates({ b: 1, a: 2 })) as object), ['b', 'a'], 'in their order');
  const bytes = decodeStates(encodeStates({ bytes: Uint8Array.of(1, 2, 3) })) as { bytes: Uint8Array };
  t.equal(bytes.bytes.buffer.byteLength, 3, 'bytes are copies, which keep nothing else in memory');
  t.throws(() => encodeStates({ act: () => 1 }), /could not be cloned/);
  t.throws(() => encodeStates(Float64Array.of(1)), /Float64Array/);
});

t.test('the schema changes with any code below core', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'forge-schema-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'a.ts'), 'one');
  const before = await foldSchema(dir);
  t.equal(await foldSchema(dir), before);
  await writeFile(join(dir, 'a.ts'), 'two');
  t.not(await foldSchema(dir), before);
  t.match(await foldSchema(), /^[0-9a-f]{64}$/);
});
