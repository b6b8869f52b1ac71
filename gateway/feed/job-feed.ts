import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { WatchJobResponseSchema, type WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import type { Metric } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import { momentOf } from '../../core/store/fold.ts';
import { evolve } from '../../core/task/evolve.ts';
import { initialState, isTerminal, type TaskState } from '../../core/task/state.ts';
import { wireStatus } from '../jobs/wire-status.ts';
import { formatCursor, isLater, startCursor, type Cursor } from './cursor.ts';
import { describeEvent } from './describe-event.ts';
import { FeedList, isAfter } from './feed-list.ts';
import { Followers, type Sink } from './followers.ts';
import type { StoredTelemetry } from './telemetry-stream.ts';
import { createTurns, type Turns } from './turns.ts';

const maxEarly = 1_000;

/**
 * One job's feed, shared by all who watch it: events and metrics in one list that only grows at its end. Each watcher
 * has its own place in the list, so a slow one holds up nobody.
 */
export class JobFeed {
  readonly #list = new FeedList();
  readonly #followers: Followers;
  #cursor: Cursor = startCursor;
  #state: TaskState = initialState;
  #attempt = 0;
  /** Who holds the attempt: others' metrics of it are none. */
  #workerId = '';
  #closed = false;
  /** Number of the last telemetry message of the attempt. */
  #heard = { attempt: 0, number: 0 };
  /** Metrics of an attempt whose start or first report has not been seen yet: the two streams know no common order. */
  #early: StoredTelemetry[] = [];
  /** What wakes each watcher that has told all there is. */
  readonly #waiting = new Set<() => void>();
  #waking: NodeJS.Immediate | undefined;

  /** @param turns in which followers are told, with those of other feeds */
  constructor(turns: Turns = createTurns()) {
    this.#followers = new Followers(this.#list, () => this.ended || this.#closed, turns);
  }

  /** Whether the terminal event is in the list. */
  get ended(): boolean {
    return isTerminal(this.#state);
  }

  addEvent(stored: StoredEnvelope): void {
    const { sequence, envelope } = stored;
    if (sequence <= this.#cursor.event) return;
    const moment = momentOf(stored);
    for (const event of envelope.events) {
      this.#state = evolve(this.#state, event, moment);
      if (event.kind.case === 'attemptStarted') ({ attempt: this.#attempt, workerId: this.#workerId } = event.kind.value);
    }
    this.#cursor = { ...this.#cursor, event: sequence };
    const message = envelope.events.map(describeEvent).filter((text) => text !== undefined).join('; ');
    const saved = envelope.events.find((event) => event.kind.case === 'checkpointSaved')?.kind.value as { step: bigint; epoch: number; loss?: number } | undefined;
    const measured = saved === undefined ? {} : { step: saved.step, epoch: saved.epoch, loss: saved.loss };
    this.#add(true, 'state', moment.time, { ...measured, message });
    const early = this.#early;
    this.#early = [];
    for (const telemetry of early) this.addTelemetry(telemetry);
  }

  /** Metrics of the attempt that runs; what comes late from one that is over is dropped. */
  addTelemetry(stored: StoredTelemetry): void {
    const { telemetry } = stored;
    const number = Number(telemetry.number);
    if (this.#isEarly(telemetry.attempt) && this.#early.length < maxEarly) return void this.#early.push(stored);
    if (telemetry.attempt !== this.#attempt || stored.workerId !== this.#workerId || this.ended) return;
    if (this.#heard.attempt !== telemetry.attempt) this.#heard = { attempt: telemetry.attempt, number: 0 };
    const missing = number - this.#heard.number - 1;
    this.#heard.number = Math.max(this.#heard.number, number);
    if (missing > 0) this.#addGap({ attempt: telemetry.attempt, number: number - 1, index: 0 }, Number(telemetry.timeMs), missing);
    telemetry.metrics.forEach((metric, index) => {
      const place = { attempt: telemetry.attempt, number, index };
      if (!isLater(place, this.#cursor)) return;
      this.#cursor = { ...this.#cursor, ...place };
      this.#add(false, 'metrics', Number(metric.timeMs) || Number(telemetry.timeMs), fieldsOf(metric));
    });
  }

  /** A worker reports the phase that it enters before it measures anything in it, also where the metrics are here sooner. */
  #isEarly(attempt: number): boolean {
    return attempt > this.#attempt || (attempt === this.#attempt && this.#state.status === 'running' && this.#state.attempt.reported === 0);
  }

  /** Telemetry is numbered within its attempt: what aged out, or never got here, is told instead of passed over. */
  #addGap(place: Omit<Cursor, 'event'>, time: number, missing: number): void {
    if (!isLater(place, this.#cursor)) return;
    this.#cursor = { ...this.#cursor, ...place };
    this.#add(false, 'gap', time, { message: `${missing} messages with metrics are not there any more` });
  }

  /** What is in the list now. */
  get messages(): WatchJobResponse[] {
    return this.#list.slice(this.#list.first, this.#list.end).map(({ message }) => message);
  }

  /** No more will come: watchers end after what is there. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Tells a sink everything after a cursor, then what comes, until the terminal event or the signal. @throws what the sink throws */
  follow(after: Cursor, signal: AbortSignal, sink: Sink): Promise<void> {
    return this.#followers.follow(after, signal, sink);
  }

  /** Everything after a cursor, then live, until the terminal event or the signal. */
  async *watch(after: Cursor, signal: AbortSignal): AsyncIterable<WatchJobResponse> {
    let next = 0;
    let wake = (): void => {};
    // One listener for all of a watcher's waits: thousands may watch, many times a second.
    signal.addEventListener('abort', () => wake(), { once: true });
    for (;;) {
      while (next < this.#list.end) {
        if (signal.aborted) return;
        if (next < this.#list.first) {
          const gap = this.#list.gap(next, after);
          next = this.#list.first;
          if (gap !== undefined) yield gap;
          continue;
        }
        const entry = this.#list.at(next++);
        if (isAfter(entry, after)) yield entry.message;
      }
      if (this.ended || this.#closed || signal.aborted) return;
      await new Promise<void>((resolve) => {
        wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** In a round of its own: what comes at once is told at once, and other work has its turn between two rounds. */
  #wake(): void {
    this.#followers.wake();
    this.#waking ??= setImmediate(() => {
      this.#waking = undefined;
      for (const wake of [...this.#waiting]) wake();
    });
  }

  #add(isEvent: boolean, type: string, time: number, fields: MessageInitShape<typeof WatchJobResponseSchema>): void {
    if (this.#state.status === 'none') return;
    const message = create(WatchJobResponseSchema, {
      ...(fields as object),
      cursor: formatCursor(this.#cursor),
      type,
      time: timestampFromMs(time),
      status: wireStatus(this.#state),
      attempt: this.#attempt,
    });
    this.#list.append({ cursor: this.#cursor, isEvent, message });
    this.#wake();
  }
}

/** Only what was measured: a field that is not there stays away. */
function fieldsOf(metric: Metric): MessageInitShape<typeof WatchJobResponseSchema> {
  const { epoch, loss, learningRate, gradNorm, tokensPerSecond, etaSeconds, heldoutLoss } = metric;
  return {
    epoch,
    loss,
    learningRate,
    gradNorm,
    tokensPerSecond,
    etaSeconds,
    heldoutLoss,
    step: metric.step > 0n ? metric.step : undefined,
    totalSteps: metric.totalSteps > 0n ? metric.totalSteps : undefined,
    message: metric.message === '' ? undefined : metric.message,
  };
}
