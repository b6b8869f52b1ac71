import type { TelemetryStream } from '../feed/telemetry-stream.ts';
import { KeptLines, linesOf } from './lines.ts';

/** An attempt, as far as its telemetry is found by it. */
export interface LoggedAttempt {
  taskId: string;
  workerId: string;
  number: number;
}

/**
 * Reads an attempt's log from the telemetry that is there, and waits for the line of number `until`, which its worker has
 * written, as long as no `waitMs` pass without a message: that of a long training is long to read.
 * @returns `caughtUp`: whether all that was there was read
 * @throws where the stream can't be read
 */
export async function collectLog(telemetry: Pick<TelemetryStream, 'readAttempt'>, attempt: LoggedAttempt, until: number, waitMs: number): Promise<{ kept: KeptLines; caughtUp: boolean }> {
  const kept = new KeptLines();
  const done = new AbortController();
  const silence = setTimeout(() => done.abort(), waitMs);
  let caughtUp = false;
  const look = (): void => {
    if (caughtUp && kept.last >= until) done.abort();
  };
  // The message that is the last one is told of before it is read.
  const onCaughtUp = (): void => void setImmediate(() => {
    caughtUp = true;
    look();
  });
  try {
    for await (const { telemetry: message } of telemetry.readAttempt(attempt, done.signal, onCaughtUp)) {
      silence.refresh();
      for (const line of linesOf(message, kept.last)) kept.add(line);
      look();
    }
    return { kept, caughtUp };
  } finally {
    clearTimeout(silence);
  }
}
