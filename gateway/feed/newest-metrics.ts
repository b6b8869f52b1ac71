import type { Logger } from '../../core/logger.ts';
import type { StoredTelemetry, TelemetryStream } from './telemetry-stream.ts';

/** What was measured last in an attempt. */
export interface Measured {
  attempt: number;
  step?: number | undefined;
  epoch?: number | undefined;
  loss?: number | undefined;
  totalSteps?: number | undefined;
  /** When it will be trained, at the speed that was measured last. Unix milliseconds. */
  endsAt?: number | undefined;
  tokensPerSecond?: number | undefined;
  /** Share that is done, of work that has no steps. */
  fraction?: number | undefined;
}

const completeMs = 2_000;

/** The newest measured values of each task: the fold that status answers come from. */
export class NewestMetrics {
  /** By worker and task: what another than a task's own workers says of it is not told. */
  readonly #byTask = new Map<string, Measured>();
  readonly #completed = new Set<string>();
  readonly #abort = new AbortController();
  readonly #stream: TelemetryStream;
  readonly #workersOf: (taskId: string) => readonly string[];
  readonly #logger: Logger;
  #running: Promise<void> | undefined;

  /** @param workersOf who have held a task, the newest first */
  constructor(stream: TelemetryStream, workersOf: (taskId: string) => readonly string[], logger: Logger) {
    this.#stream = stream;
    this.#workersOf = workersOf;
    this.#logger = logger;
  }

  /** Resolves when what is in the stream was read. */
  start(): Promise<void> {
    return new Promise((caughtUp) => {
      this.#running = this.#follow(caughtUp);
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  /**
   * Makes sure that step and loss are known where they were ever measured: after a restart only the newest message of a
   * task was read, which may have held neither.
   * @returns undefined where there is nothing to wait for, which is nearly always
   */
  complete(taskId: string): Promise<void> | undefined {
    const newest = this.get(taskId);
    if (newest === undefined || (newest.loss !== undefined && newest.step !== undefined) || this.#completed.has(taskId)) return undefined;
    return this.#readOlder(taskId);
  }

  async #readOlder(taskId: string): Promise<void> {
    this.#completed.add(taskId);
    const done = new AbortController();
    const deadline = AbortSignal.any([done.signal, AbortSignal.timeout(completeMs)]);
    try {
      for await (const stored of this.#stream.read(taskId, deadline, () => setImmediate(() => done.abort()))) this.#fold(stored, true);
    } catch (error) {
      // A status is told without them rather than not at all.
      this.#completed.delete(taskId);
      this.#logger.warn('older metrics could not be read', { taskId, error: (error as Error).message });
    }
  }

  get(taskId: string): Measured | undefined {
    for (const workerId of this.#workersOf(taskId)) {
      const measured = this.#byTask.get(keyOf(workerId, taskId));
      if (measured !== undefined) return measured;
    }
    return undefined;
  }

  /** @param older whether the message may be older than what is known, which then stands */
  #fold({ workerId, telemetry }: StoredTelemetry, older: boolean): void {
    const key = keyOf(workerId, telemetry.taskId);
    const before = this.#byTask.get(key);
    // Late telemetry of an attempt that is over says nothing about now.
    if (before !== undefined && telemetry.attempt < before.attempt) return;
    const measured: Measured = before?.attempt === telemetry.attempt ? { ...before } : { attempt: telemetry.attempt };
    for (const metric of telemetry.metrics) {
      const step = Number(metric.step);
      if (older && step < (measured.step ?? 0)) continue;
      if (step > 0) measured.step = step;
      measured.epoch = metric.epoch ?? measured.epoch;
      measured.loss = metric.loss ?? measured.loss;
      if (metric.etaSeconds !== undefined) measured.endsAt = (Number(metric.timeMs) || Number(telemetry.timeMs)) + metric.etaSeconds * 1000;
      measured.fraction = metric.fraction ?? measured.fraction;
      measured.tokensPerSecond = metric.tokensPerSecond ?? measured.tokensPerSecond;
      if (metric.totalSteps > 0n) measured.totalSteps = Number(metric.totalSteps);
    }
    this.#byTask.set(key, measured);
  }

  async #follow(caughtUp: () => void): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        for await (const stored of this.#stream.readNewest(this.#abort.signal, caughtUp)) {
          this.#fold(stored, false);
        }
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        this.#logger.warn('the telemetry subscription broke; subscribing again', { error: (error as Error).message });
        await new Promise((resolve) => setTimeout(resolve, 200).unref());
      }
    }
  }
}

function keyOf(workerId: string, taskId: string): string {
  return `${workerId} ${taskId}`;
}
