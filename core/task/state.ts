import { TaskKind, type TaskResult, type TaskSpec } from '../gen/aiforge/v1/task_pb.ts';
import type { AttemptOutcome } from '../gen/aiforge/v1/events_pb.ts';
import type { MicroBatch } from '../training/effective-batch.ts';

/** The attempt that holds a running task. */
export interface RunningAttempt {
  number: number;
  workerId: string;
  bootId: string;
  slot: string;
  askId: string;
  /** SHA-256 of the secret that only the attempt's worker has; empty where there is none. */
  secretSha256: Uint8Array;
  /** Number of the last report that was accepted. */
  reported: number;
  phase: string;
}

/** An attempt that is over; kept, so that a report sent again is known as a repeat. */
export interface EndedAttempt {
  number: number;
  workerId: string;
  bootId: string;
  reported: number;
  outcome: AttemptOutcome;
  code: string;
  reason: string;
  /** Blob with its log, and the number of that's last line; empty and 0 where there is none. */
  logDigest: string;
  logLines: number;
}

/** What an attempt may go on from. */
export interface Checkpoint {
  attempt: number;
  step: number;
  epoch: number;
  loss: number | undefined;
  /** Digest of the tree in the blob store. */
  digest: string;
}

export type Requested = 'none' | 'pause' | 'cancel';

export interface TaskFacts {
  id: string;
  kind: TaskKind;
  project: string;
  spec: TaskSpec;
  /** Task that must be completed first; empty for none. */
  after: string;
  maxAttempts: number;
  /** Unix milliseconds, the command's clock. */
  createdAt: number;
  updatedAt: number;
  ended: readonly EndedAttempt[];
  /** Attempts that failed or were lost since the last durable progress. */
  failures: number;
  /** When the last of those ended; 0 for never. Unix milliseconds. */
  failedAt: number;
  /** When the last attempt started; 0 for never. Unix milliseconds. */
  startedAt: number;
  /** Of the envelope that queued it: its place in line. */
  queuedSequence: number;
  /** Of the envelope that started the last attempt; 0 for never. */
  startedSequence: number;
  /** Request that had it tried again last; empty for none. */
  retriedFor: string;
  /** Attempts that had ended then; 0 where it never was. */
  endedBeforeRetry: number;
  /** What a training takes at a time since memory ran out; undefined: what was asked for. */
  microBatch: MicroBatch | undefined;
  checkpoint: Checkpoint | undefined;
  totalSteps: number | undefined;
}

export type Task = TaskFacts &
  (
    | { status: 'queued' }
    | { status: 'running'; attempt: RunningAttempt; requested: Requested }
    | { status: 'paused' }
    | { status: 'completed'; result: TaskResult }
    | { status: 'failed'; code: string; reason: string }
    | { status: 'cancelled'; reason: string }
  );

export type TaskStatus = Task['status'];

export type TaskState = { status: 'none' } | Task;

export const initialState: TaskState = Object.freeze({ status: 'none' });

export function isTerminal(task: TaskState): boolean {
  return task.status === 'completed' || task.status === 'failed' || task.status === 'cancelled';
}

/**
 * Whether it may be tried again under its own id. A cancelled job is over; what follows a training (export, evaluation,
 * deployment) has an id made of the job's, so that cancelling it once would forbid it for good.
 */
export function mayBeRetried({ status, kind }: Pick<Task, 'status' | 'kind'>): boolean {
  return status === 'failed' || (status === 'cancelled' && kind !== TaskKind.TRAIN && kind !== TaskKind.EXTRACT);
}

/** Number that the next attempt gets: 1 for the first. */
export function nextAttempt(task: Task): number {
  return task.ended.length + (task.status === 'running' ? 2 : 1);
}

/** Workers that have held the task, the newest first. */
export function workersOf(task: TaskState): string[] {
  if (task.status === 'none') return [];
  return [...(task.status === 'running' ? [task.attempt.workerId] : []), ...task.ended.map(({ workerId }) => workerId).reverse()];
}
