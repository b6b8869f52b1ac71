import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TaskResultSchema } from '../gen/aiforge/v1/task_pb.ts';
import type { Assignment, MetricSchema, Slot } from '../gen/aiforge/v1/worker_pb.ts';

/** Why an attempt has to stop, from the weakest to the strongest. */
export const stopReasons = ['drain', 'pause', 'cancel', 'lost'] as const;
export type StopReason = (typeof stopReasons)[number];

/** One attempt of one task: the unit that is reported on, beaten for and fenced. */
export interface AttemptRef {
  taskId: string;
  attempt: number;
}

export function attemptKey(ref: AttemptRef): string {
  return `${ref.taskId}.${ref.attempt}`;
}

export interface Checkpoint {
  step: number;
  epoch: number;
  loss?: number | undefined;
  /** Digest of the checkpoint's tree, wholly in the blob store. */
  digest: string;
  /** What saving took. */
  seconds: number;
}

/** What a runner is given for one attempt. */
export interface TaskContext {
  readonly assignment: Assignment;
  /** The slot that asked; its `gpuIndex` says which GPU is the attempt's. */
  readonly slot: Slot;
  /** Empty folder of this attempt, removed afterwards. */
  readonly workDir: string;
  /** Proves to a gateway that this attempt asks, as long as it runs: see attempt-token. Never logged. */
  readonly token: string;
  /** Aborts once, with the first reason: `pause` and `drain` mean save and stop, `cancel` and `lost` stop without saving. */
  readonly signal: AbortSignal;
  /** Aborts when `cancel` or `lost` is meant, also where `signal` had already aborted with a weaker reason. */
  readonly urgent: AbortSignal;
  /** Queues a report; reports arrive in the order of the calls. */
  phase(phase: string, totalSteps?: number): void;
  /** Queues a report. @returns when it is in the spool, so that it outlives this process */
  checkpoint(checkpoint: Checkpoint): Promise<void>;
  /** Telemetry: may be coalesced or, while NATS is away for long, dropped. */
  metric(metric: MessageInitShape<typeof MetricSchema>): void;
  log(line: string): void;
}

export type RunnerResult = MessageInitShape<typeof TaskResultSchema>;

/** Returns the result, or `stopped` once it has stopped because of the signal; throws TaskFailure. */
export type TaskRunner = (context: TaskContext) => Promise<RunnerResult | 'stopped'>;

/** Ends an attempt as failed. `retryable`: another attempt may do better. */
export class TaskFailure extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, reason: string, retryable: boolean, options: { cause?: unknown } = {}) {
    super(reason, options);
    this.name = 'TaskFailure';
    this.code = code;
    this.retryable = retryable;
  }
}
