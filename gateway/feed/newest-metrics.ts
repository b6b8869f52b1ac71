import type { Logger } from '../../core/logger.ts';
import type { TelemetryStream } from './telemetry-stream.ts';

/** What was measured last in an attempt. */
export interface Measured {
  attempt: number;
  step?: number | undefined;
  epoch?: number | undefined;
  loss?: number | undefined;
  totalSteps?: number | undefined;
}

/** The newest measured values of each task: the fold that status answers come from. */
export class NewestMetrics {
  readonly #byTask = new Map<string, Measured>();
  readonly #abort = new AbortController();
  readonly #stream: TelemetryStream;
  readonly #logger: Logger;
  #running: Promise<void> | undefined;

  constructor(stream: TelemetryStream, logger: Logger) {
    this.#stream = stream;
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

  get(taskId: string): Measured | undefined {
    return this.#byTask.get(taskId);
  }

  async #follow(caughtUp: () => void): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        for await (const { telemetry } of this.#stream.readNewest(this.#abort.signal, caughtUp)) {
          const before = this.#byTask.get(telemetry.taskId);
          // Late telemetry of an attempt that is over says nothing about now.
          if (before !== undefined && telemetry.attempt < before.attempt) continue;
          const measured: Measured = before?.attempt === telemetry.attempt ? { ...before } : { attempt: telemetry.attempt };
          for (const metric of telemetry.metrics) {
            if (metric.step > 0n) measured.step = Number(metric.step);
            measured.epoch = metric.epoch ?? measured.epoch;
            measured.loss = metric.loss ?? measured.loss;
            if (metric.totalSteps > 0n) measured.totalSteps = Number(metric.totalSteps);
          }
          this.#byTask.set(telemetry.taskId, measured);
        }
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        this.#logger.warn('the telemetry subscription broke; subscribing again', { error: (error as Error).message });
        await new Promise((resolve) => setTimeout(resolve, 200).unref());
      }
    }
  }
}
