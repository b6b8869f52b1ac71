import { setTimeout } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { TelemetrySchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { silentLogger } from '../../core/logger.ts';
import { collectLog } from '../../gateway/logs/collect.ts';
import { createSealLog } from '../../gateway/logs/seal.ts';

const attempt = { taskId: 'job_1', workerId: 'w', number: 1 };
const message = (n: number) => ({ sequence: n, telemetry: create(TelemetrySchema, { taskId: 'job_1', attempt: 1, number: BigInt(n), log: `line ${n}\n`, firstLine: BigInt(n) }) });

/** So many messages, `everyMs` apart, then silence until the signal aborts. */
function stream(count: number, everyMs: number) {
  const reads = { count: 0 };
  return {
    reads,
    async *readAttempt(_attempt: unknown, signal: AbortSignal, caughtUp: () => void) {
      reads.count += 1;
      for (let n = 1; n <= count && !signal.aborted; n++) {
        if (everyMs > 0) await setTimeout(everyMs);
        yield message(n);
      }
      caughtUp();
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
  };
}

t.test('a log is waited for as long as it comes, and not for ever', async (t) => {
  // 40 messages take longer in all than the silence that ends it.
  const slow = await collectLog(stream(40, 10) as never, attempt, 40, 300);
  t.match([slow.kept.last, slow.caughtUp], [40, true]);
  const lost = await collectLog(stream(3, 0) as never, attempt, 9, 500);
  t.match([lost.kept.last, lost.caughtUp], [3, true], 'lines that never come end it');
  const none = await collectLog(stream(0, 0) as never, attempt, 0, 10_000);
  t.match([none.kept.last, none.caughtUp], [0, true], 'what has none is done at once');
});

t.test('a report that is sent again waits for the same log; one that can not be stored ends the attempt without', async (t) => {
  const telemetry = stream(2, 20);
  const blobs = createFileBlobStore(t.testdir());
  const seal = createSealLog({ telemetry: telemetry as never, blobs, logger: silentLogger });
  const [one, again] = await Promise.all([seal(attempt, 2), seal(attempt, 2)]);
  t.match(one, { lines: 2, digest: /^[0-9a-f]{64}$/ });
  t.equal(again, one);
  t.equal(telemetry.reads.count, 1);
  const full = createSealLog({ telemetry: telemetry as never, blobs: { ...blobs, put: () => Promise.reject(new Error('ENOSPC')) }, logger: silentLogger });
  t.equal(await full(attempt, 2), undefined);
});
