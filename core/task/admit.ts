import type { Event, MicroBatchHalved } from '../gen/aiforge/v1/events_pb.ts';
import { hyperparametersOfTask } from '../training/effective-batch.ts';
import { resultProblem } from './check-result.ts';
import { mayBeRetried, nextAttempt, type Task, type TaskState } from './state.ts';

/**
 * Whether an event may follow a state: what `decide` could have produced. A reader asks before it folds, so that an
 * event that should not be there is reported and never applied.
 * @returns undefined when it may, else what is wrong
 */
export function admit(state: TaskState, { kind }: Event): string | undefined {
  if (kind.case === undefined) return 'an event of a kind this version does not know';
  if (kind.case === 'taskQueued') return state.status === 'none' ? undefined : 'a task is queued twice';
  if (state.status === 'none') return `${kind.case} before the task was queued`;
  const status = state.status;
  const when = (...allowed: string[]): string | undefined => (allowed.includes(status) ? undefined : `${kind.case} while the task is ${status}`);
  switch (kind.case) {
    case 'attemptStarted':
      return when('queued') ?? (kind.value.attempt === nextAttempt(state) ? undefined : `attempt ${kind.value.attempt} started, ${nextAttempt(state)} was next`);
    case 'reportAccepted':
      if (state.status !== 'running') return when('running');
      if (kind.value.attempt !== state.attempt.number) return `a report of attempt ${kind.value.attempt} in attempt ${state.attempt.number}`;
      return Number(kind.value.number) === state.attempt.reported + 1 ? undefined : `report ${kind.value.number} after ${state.attempt.reported}`;
    case 'phaseEntered':
    case 'checkpointSaved':
    case 'attemptEnded':
      if (state.status !== 'running') return when('running');
      return kind.value.attempt === state.attempt.number ? undefined : `${kind.case} of attempt ${kind.value.attempt} in attempt ${state.attempt.number}`;
    case 'pauseRequested':
    case 'cancelRequested':
      return when('queued', 'running', ...(kind.case === 'cancelRequested' ? ['paused'] : []));
    case 'microBatchHalved':
      return when('queued') ?? halvingProblem(state, kind.value);
    case 'taskPaused':
      return when('queued');
    case 'taskCompleted':
      return when('queued') ?? resultProblem(state.kind, kind.value.result);
    case 'taskFailed':
    case 'taskCancelled':
      return when('queued', 'paused');
    case 'taskResumed':
      return when('paused');
    case 'taskRetried':
      return mayBeRetried(state) ? undefined : when('failed');
    default:
      return `${kind.case} does not belong to a task`;
  }
}

function halvingProblem(task: Task, { attempt, batchSize, gradientAccumulation }: MicroBatchHalved): string | undefined {
  const planned = hyperparametersOfTask(task);
  if (planned === undefined || task.microBatch !== undefined) return `the micro-batch ${planned === undefined ? 'of what is no training' : 'is halved twice'}`;
  if (attempt !== task.ended.at(-1)?.number) return `the micro-batch is halved after attempt ${attempt}, which was not the last`;
  const same = batchSize >= 1 && batchSize <= planned.batchSize / 2 && batchSize * gradientAccumulation === planned.batchSize * planned.gradientAccumulation;
  return same ? undefined : `${batchSize} x ${gradientAccumulation} is no halved ${planned.batchSize} x ${planned.gradientAccumulation}`;
}
