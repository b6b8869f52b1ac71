import { AttemptOutcome, type Event } from '../gen/aiforge/v1/events_pb.ts';
import { event } from './events.ts';
import type { Task } from './state.ts';

type Running = Extract<Task, { status: 'running' }>;

/**
 * Events that end an attempt without a result, and what follows for the task. What was requested comes first:
 * a loss while pausing is a pause at the last durable checkpoint, a loss while cancelling is cancelled.
 * Otherwise the task is queued again, until too many attempts in a row failed without progress.
 */
export function endAttempt(task: Running, outcome: AttemptOutcome, code: string, reason: string, retryable: boolean): Event[] {
  const ended = event('attemptEnded', { attempt: task.attempt.number, outcome, code, reason });
  if (task.requested === 'cancel') return [ended, event('taskCancelled', { reason: 'cancelled on request' })];
  const counted = outcome === AttemptOutcome.FAILED || outcome === AttemptOutcome.LOST;
  if (counted && !retryable) return [ended, event('taskFailed', { code, reason })];
  if (task.requested === 'pause') return [ended, event('taskPaused', {})];
  if (counted && task.failures + 1 >= task.maxAttempts) {
    return [ended, event('taskFailed', { code, reason: `${reason} (attempt ${task.attempt.number}; ${task.maxAttempts} in a row ended without progress)` })];
  }
  return [ended];
}
