import { TaskKind } from '../gen/aiforge/v1/task_pb.ts';
import type { Event } from '../gen/aiforge/v1/events_pb.ts';
import { halved, hyperparametersOfTask } from '../training/effective-batch.ts';
import { event } from './events.ts';
import type { Task } from './state.ts';

type Running = Extract<Task, { status: 'running' }>;

/** What follows from the cause of a failure: another try (after the events), or none and why. */
export type AfterFailure = { again: true; events: Event[] } | { again: false; reason: string };

/**
 * Whether another attempt may do better than one that failed. By the cause, where that says more than the worker can
 * know, who sees one attempt only: memory that ran out is tried once with smaller micro-batches, a loss that is not
 * finite once from the last checkpoint, which was saved before it.
 */
export function afterFailure(task: Running, code: string, reason: string, retryable: boolean): AfterFailure {
  if (task.kind !== TaskKind.TRAIN) return retryable ? { again: true, events: [] } : { again: false, reason };
  if (code === 'out_of_memory') return afterMemory(task, reason);
  if (code === 'non_finite_loss') {
    if (!failedBefore(task, code)) return { again: true, events: [] };
    return { again: false, reason: `${reason} (in two attempts, the second ${task.checkpoint === undefined ? 'from the start' : `from the checkpoint of step ${task.checkpoint.step}`})` };
  }
  return retryable ? { again: true, events: [] } : { again: false, reason };
}

function afterMemory(task: Running, reason: string): AfterFailure {
  const set = hyperparametersOfTask(task);
  if (task.microBatch !== undefined) return { again: false, reason: `${reason} (also with micro-batches of ${task.microBatch.batchSize})` };
  const smaller = set && halved(set);
  if (smaller === undefined) return { again: false, reason: set?.batchSize === 1 ? `${reason} (a micro-batch of 1 can't be halved)` : reason };
  return { again: true, events: [event('microBatchHalved', { attempt: task.attempt.number, ...smaller })] };
}

/** In an attempt since the task was made, or last tried again by request. */
function failedBefore({ ended, endedBeforeRetry }: Running, code: string): boolean {
  return ended.slice(endedBeforeRetry).some((attempt) => attempt.code === code);
}
