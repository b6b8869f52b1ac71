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
  close(): void;
}

export function createTelemetry(link: Link, ref: AttemptRef): TelemetrySender {
  let number = 0;
  let metrics: MessageInitShape<typeof MetricSchema>[] = [];
  let lines: string[] = [];
  let logBytes = 0;
  let dropped = { metrics: 0, lines: 0 };
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
    if (dropped.metrics + dropped.lines > 0) {
      lines.unshift(`(${dropped.metrics} metrics and ${dropped.lines} lines of this log were dropped while NATS was away)`);
      dropped = { metrics: 0, lines: 0 };
    }
    const log = takeLines();
    const message = create(TelemetrySchema, {
      taskId: ref.taskId,
      attempt: ref.attempt,
      number: BigInt(++number),
      timeMs: BigInt(Date.now()),
      metrics: metrics.splice(0, maxMetricsPerMessage),
      log,
    });
    publishedAt = performance.now();
    link.nats.publish(`telemetry.${link.workerId}.${ref.taskId}`, toBinary(TelemetrySchema, message));
  }

  function takeLines(): string {
    let bytes = 0;
    let count = 0;
    while (count < lines.length && (count === 0 || bytes + Buffer.byteLength(lines[count]!) + 1 <= maxLogBytesPerMessage)) {
      bytes += Buffer.byteLength(lines[count]!) + 1;
      count += 1;
    }
    const taken = lines.splice(0, count);
    logBytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    return taken.map((line) => `${line}\n`).join('');
  }

  const stopListening = link.onNudge(schedule);
  return {
    metric(metric) {
      if (closed) return;
      if (metrics.length >= maxWaitingMetrics) dropped.metrics += 1;
      else metrics.push({ timeMs: BigInt(Date.now()), ...metric });
      schedule();
    },
    log(line) {
      if (closed) return;
      const text = bounded(line);
      const bytes = Buffer.byteLength(text) + 1;
      if (logBytes + bytes > maxWaitingLogBytes) {
        dropped.lines += 1;
      } else {
        lines.push(text);
        logBytes += bytes;
      }
      schedule();
    },
    flush() {
      while (waiting() && link.connected && !closed) publish();
      return number;
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
