import type { WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import type { Logger } from '../../core/logger.ts';
import { envelopeTime } from '../../core/store/envelope.ts';
import { isReadable, type EventStore, type StoredEnvelope } from '../../core/store/event-store.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { isTerminal, type TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { findJob } from '../jobs/query.ts';
import { parseCursor } from './cursor.ts';
import type { Sink } from './followers.ts';
import { JobFeed } from './job-feed.ts';
import type { StoredTelemetry, TelemetryStream } from './telemetry-stream.ts';
import { createTurns } from './turns.ts';

interface Open {
  ready: Promise<JobFeed>;
  abort: AbortController;
  watchers: number;
}

/** How long the end of a feed waits for metrics that were sent before it. */
const tailMs = 3_000;

/** The feeds of jobs that somebody watches: made at the first watcher, let go after the last. */
export function createFeeds(deps: { ledger: Ledger; store: EventStore; telemetry: TelemetryStream; logger: Logger }) {
  const { ledger, store, telemetry, logger } = deps;
  const open = new Map<string, Open>();
  const turns = createTurns();

  /** @throws ForgeError not_found, invalid_argument (cursor) */
  async function* watch(jobId: string, after: string, signal: AbortSignal): AsyncIterable<WatchJobResponse> {
    const cursor = parseCursor(after);
    await findJob(ledger, jobId);
    const entry = hold(jobId);
    try {
      yield* (await entry.ready).watch(cursor, signal);
    } finally {
      release(jobId, entry);
    }
  }

  /** The same to a sink. @throws ForgeError not_found, invalid_argument (cursor), and what the sink throws */
  async function follow(jobId: string, after: string, signal: AbortSignal, sink: Sink): Promise<void> {
    const cursor = parseCursor(after);
    await findJob(ledger, jobId);
    const entry = hold(jobId);
    try {
      await (await entry.ready).follow(cursor, signal, sink);
    } finally {
      release(jobId, entry);
    }
  }

  /** What a watcher would be told up to now. @throws ForgeError not_found */
  async function past(jobId: string): Promise<WatchJobResponse[]> {
    await findJob(ledger, jobId);
    const entry = hold(jobId);
    try {
      return (await entry.ready).messages;
    } finally {
      release(jobId, entry);
    }
  }

  function hold(jobId: string): Open {
    let entry = open.get(jobId);
    if (entry === undefined) {
      const abort = new AbortController();
      entry = { abort, watchers: 0, ready: openFeed(jobId, abort.signal) };
      open.set(jobId, entry);
    }
    entry.watchers += 1;
    return entry;
  }

  function release(jobId: string, entry: Open): void {
    entry.watchers -= 1;
    if (entry.watchers > 0) return;
    entry.abort.abort();
    if (open.get(jobId) === entry) open.delete(jobId);
  }

  async function openFeed(jobId: string, signal: AbortSignal): Promise<JobFeed> {
    const feed = new JobFeed(turns);
    // Live from now on; what comes while history is read waits.
    const waiting: StoredEnvelope[] = [];
    let live = false;
    const stopListening = ledger.onApplied(({ stored, head }) => {
      if (stored.aggregate !== taskAggregate.name || stored.id !== jobId) return;
      if (live && isTerminal(head.state as TaskState)) void addTerminal(stored);
      else if (live) feed.addEvent(stored);
      else waiting.push(stored);
    });
    signal.addEventListener('abort', () => { stopListening(); feed.close(); }, { once: true });

    let telemetrySeen = 0;
    const past: StoredTelemetry[] = [];
    const { promise: caughtUp, resolve: onCaughtUp } = Promise.withResolvers<void>();
    const followed = (async () => {
      try {
        for await (const stored of telemetry.read(jobId, signal, onCaughtUp)) {
          telemetrySeen = stored.sequence;
          if (live) feed.addTelemetry(stored);
          else past.push({ ...stored, telemetry: { ...stored.telemetry, log: '' } });
        }
      } catch (error) {
        if (!signal.aborted) logger.warn('a feed lost its telemetry', { jobId, error: (error as Error).message });
      } finally {
        onCaughtUp();
      }
    })();
    void followed;

    /** Metrics sent before the end belong before it: waits until they are here. */
    async function addTerminal(stored: StoredEnvelope): Promise<void> {
      const last = await telemetry.lastSequence(jobId).catch(() => 0);
      const deadline = performance.now() + tailMs;
      while (telemetrySeen < last && performance.now() < deadline && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10));
      feed.addEvent(stored);
    }

    const history: StoredEnvelope[] = [];
    for await (const stored of store.readAggregate(taskAggregate.name, jobId, 0)) if (isReadable(stored)) history.push(stored);
    await caughtUp;
    merge(feed, [...history, ...waiting], past);
    past.length = 0;
    live = true;
    return feed;
  }

  return { watch, follow, past };
}

/** History in one order: by time, but an attempt's metrics only within the attempt. */
function merge(feed: JobFeed, events: StoredEnvelope[], metrics: StoredTelemetry[]): void {
  let attempt = 0;
  let next = 0;
  for (const stored of events) {
    const ends = stored.envelope.events.some((event) => event.kind.case === 'attemptEnded');
    const saved = stored.envelope.events.find((event) => event.kind.case === 'checkpointSaved')?.kind;
    const upTo = saved?.case === 'checkpointSaved' ? Number(saved.value.telemetry) : 0;
    const time = envelopeTime(stored.envelope);
    for (; next < metrics.length; next++) {
      const { telemetry } = metrics[next]!;
      const before = telemetry.attempt < attempt || (telemetry.attempt === attempt && (ends || Number(telemetry.number) <= upTo || Number(telemetry.timeMs) < time));
      if (!before) break;
      feed.addTelemetry(metrics[next]!);
    }
    feed.addEvent(stored);
    for (const event of stored.envelope.events) if (event.kind.case === 'attemptStarted') attempt = event.kind.value.attempt;
  }
  for (; next < metrics.length; next++) feed.addTelemetry(metrics[next]!);
}
