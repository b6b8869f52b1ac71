import { ForgeError, invalid } from '../../core/errors.ts';
import { AttemptOutcome } from '../../core/gen/aiforge/v1/events_pb.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { EndedAttempt, Task, TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { exportIdOf } from '../jobs/follow-up.ts';
import { findJob } from '../jobs/query.ts';

/** One attempt of a task, over or not. */
export interface LogAttempt {
  number: number;
  workerId: string;
  /** Undefined while it runs. */
  ended: EndedAttempt | undefined;
}

export const outcomeNames: Readonly<Record<AttemptOutcome, string>> = {
  [AttemptOutcome.UNSPECIFIED]: '',
  [AttemptOutcome.COMPLETED]: 'completed',
  [AttemptOutcome.FAILED]: 'failed',
  [AttemptOutcome.LOST]: 'lost',
  [AttemptOutcome.STOPPED]: 'stopped',
  [AttemptOutcome.RETURNED]: 'returned',
};

/** The oldest first. */
export function attemptsOf(task: TaskState): LogAttempt[] {
  if (task.status === 'none') return [];
  const ended = task.ended.map((attempt) => ({ number: attempt.number, workerId: attempt.workerId, ended: attempt }));
  return task.status === 'running' ? [...ended, { number: task.attempt.number, workerId: task.attempt.workerId, ended: undefined }] : ended;
}

/**
 * The task of a job whose log is asked for: its training, evaluation or export.
 * @throws ForgeError not_found, invalid_argument
 */
export async function findLogged(ledger: Ledger, jobId: string, kind: TaskKind | undefined): Promise<Task> {
  const job = await findJob(ledger, jobId);
  if (kind === undefined || kind === TaskKind.TRAIN) return job;
  if (kind !== TaskKind.EVALUATE && kind !== TaskKind.EXPORT) throw invalid('kind', 'must be train, evaluate or export');
  // A pipeline's evaluation is that of its gate.
  for (const id of kind === TaskKind.EXPORT ? [exportIdOf(jobId)] : [`${jobId}.evaluate`, `${jobId}.gate`]) {
    const { state } = await ledger.find(taskAggregate, id);
    if (state.status !== 'none') return state;
  }
  throw new ForgeError('not_found', `kind: ${jobId} has no ${kind === TaskKind.EXPORT ? 'export' : 'evaluation'} yet`, { field: 'kind' });
}
