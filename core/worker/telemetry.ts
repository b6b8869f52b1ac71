import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { MetricSchema, TelemetrySchema } from '../gen/aiforge/v1/worker_pb.ts';
import type { Link } from './link.ts';
import type { AttemptRef } from './task-runner.ts';

/** At most 4 messages a second. */
const intervalMs = 250;
/** What waits while NATS is away, and what one message holds. */
const maxWaitingMetrics = 2_000;
const maxWaitingLogBytes = 256 << 10;
const maxMetricsPerMessage = 500;
const maxLogBytesPerMessage = 64 << 10;

/** Metrics and log of one attempt, coalesced, numbered within it, published without a reply subject. */
export interface TelemetrySender {
  metric(metric: MessageInitShape<typeof MetricSchema>): void;
  log(line: string): void;
  /** Publishes what waits, where NATS can be reached. @returns the last number sent */
  flush(): number;
  /** Lines of the log so far, dropped ones too. */
  readonly logLines: number;
  close(): void;
}

export function createTelemetry(link: Link, ref: AttemptRef): TelemetrySender {
  let number = 0;
  let metrics: MessageInitShape<typeof MetricSchema>[] = [];
  let lines: { number: number; text: string }[] = [];
  let logLines = 0;
  let logBytes = 0;
  let droppedMetrics = 0;
  let publishedAt = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const waiting = (): boolean => metrics.length > 0 || lines.length > 0;
  const schedule = (): void => {
    if (timer !== undefined || closed || !waiting() || !link.connected) return;
    timer = setTimeout(() => {
      timer = undefined;
      if (link.connected) publish();
      schedule();
    }, Math.max(0, publishedAt + intervalMs - performance.now()));
  };

  function publish(): void {
    if (droppedMetrics > 0) {
      const text = `(${droppedMetrics} metrics were dropped while NATS was away)`;
      droppedMetrics = 0;
      lines.push({ number: ++logLines, text });
      logBytes += Buffer.byteLength(text) + 1;
    }
    const taken = takeLines();
    const message = create(TelemetrySchema, {
      taskId: ref.taskId,
      attempt: ref.attempt,
      number: BigInt(++number),
      timeMs: BigInt(Date.now()),
      metrics: metrics.splice(0, maxMetricsPerMessage),
      log: taken.map(({ text }) => `${text}\n`).join(''),
      firstLine: BigInt(taken[0]?.number ?? 0),
    });
    publishedAt = performance.now();
    link.nats.publish(`telemetry.${link.workerId}.${ref.taskId}`, toBinary(TelemetrySchema, message));
  }

  /** Lines that follow each other, up to where some were dropped. */
  function takeLines(): typeof lines {
    let bytes = 0;
    let count = 0;
    while (count < lines.length && (count === 0 || (bytes + Buffer.byteLength(lines[count]!.text) + 1 <= maxLogBytesPerMessage && lines[count]!.number === lines[count - 1]!.number + 1))) {
      bytes += Buffer.byteLength(lines[count]!.text) + 1;
      count += 1;
    }
    const taken = lines.splice(0, count);
    logBytes = lines.reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 0);
    return taken;
  }

  const stopListening = link.onNudge(schedule);
  return {
    metric(metric) {
      if (closed) return;
      if (metrics.length >= maxWaitingMetrics) droppedMetrics += 1;
      else metrics.push({ timeMs: BigInt(Date.now()), ...metric });
      schedule();
    },
    log(line) {
      if (closed) return;
      const text = bounded(line);
      const bytes = Buffer.byteLength(text) + 1;
      logLines += 1;
      // What is dropped is missed by its number.
      if (logBytes + bytes <= maxWaitingLogBytes) {
        lines.push({ number: logLines, text });
        logBytes += bytes;
      }
      schedule();
    },
    flush() {
      while (waiting() && link.connected && !closed) publish();
      return number;
    },
    get logLines() {
      return logLines;
    },
    close() {
      closed = true;
      clearTimeout(timer);
      stopListening();
    },
  };
}

/** One line, however long the writer made it. */
function bounded(line: string): string {
  return line.length <= 4_096 ? line : `${line.slice(0, 4_096)}…`;
}
