import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { TelemetrySchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { KeptLines, linesOf, type LogLine } from '../../gateway/logs/lines.ts';
import { readLog, storeLog } from '../../gateway/logs/sealed.ts';

const line = (number: number, text = 'x'): LogLine => ({ number, time: number, text });

t.test('lines have their writer’s numbers, so that what was dropped is missed', async (t) => {
  const message = (log: string, firstLine: bigint) => create(TelemetrySchema, { log, firstLine, timeMs: 5n });
  t.strictSame(linesOf(message('a\n\nb\n', 4n), 0), [{ number: 4, time: 5, text: 'a' }, { number: 5, time: 5, text: '' }, { number: 6, time: 5, text: 'b' }]);
  t.strictSame(linesOf(message('', 0n), 7), []);
  t.strictSame(linesOf(message('a\n', 0n), 7), [{ number: 8, time: 5, text: 'a' }], 'a worker of an earlier version does not number them');
});

t.test('of a large log the beginning and the end are kept', async (t) => {
  const kept = new KeptLines(10, 20);
  for (let n = 1; n <= 100_000; n++) kept.add(line(n));
  kept.add(line(7));
  t.strictSame(kept.lines.map(({ number }) => number), [1, 2, 3, 4, 5, ...Array.from({ length: 10 }, (_, n) => 99_991 + n)]);
  t.equal(kept.last, 100_000);
  const wide = new KeptLines(10, 20);
  wide.add(line(1, 'y'.repeat(1000)));
  t.equal(wide.lines.length, 1, 'one line that is larger than all that is kept is kept');
});

t.test('a stored log is read as it was; one that is gone says so', async (t) => {
  const blobs = createFileBlobStore(t.testdir());
  // Unicode, control characters and what JSON escapes.
  const lines = Array.from({ length: 3_000 }, (_, n) => line(n * 2 + 1, `${n} \u2028 "\\" \u0000 ${randomBytes(20).toString('base64')} é`));
  const digest = await storeLog(blobs, lines);
  t.strictSame(await Array.fromAsync(readLog(blobs, digest)), lines);
  t.strictSame(await Array.fromAsync(readLog(blobs, await storeLog(blobs, []))), []);
  await t.rejects(Array.fromAsync(readLog(blobs, 'f'.repeat(64))), { code: 'not_found' });
});
