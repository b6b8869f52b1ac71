import type { TaskKind, TaskSpec } from '../gen/aiforge/v1/task_pb.ts';
import type { ReportRequest } from '../gen/aiforge/v1/worker_pb.ts';

/** An attempt's log as it is kept: its blob, and the number of its last line. */
export interface SealedLog {
  digest: string;
  lines: number;
}

/** Imperative, and pure data: time, ids and randomness come in with the command. */
export type TaskCommand =
  | { type: 'queue'; kind: TaskKind; project: string; spec: TaskSpec; after: string; maxAttempts: number }
  | { type: 'start'; workerId: string; bootId: string; slot: string; askId: string; secretSha256?: Uint8Array }
  | { type: 'report'; workerId: string; report: ReportRequest; log?: SealedLog }
  | { type: 'lose'; attempt: number; reason: string; log?: SealedLog }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'cancel'; reason: string }
  /** @param requestId a repeat of it changes nothing; empty: none */
  | { type: 'retry'; requestId: string }
  /** The task this one waits for failed or was cancelled. */
  | { type: 'abandon'; outcome: 'failed' | 'cancelled'; code: string; reason: string };

export type TaskCommandType = TaskCommand['type'];
