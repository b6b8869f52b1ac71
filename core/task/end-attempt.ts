import { AttemptOutcome, type Event } from '../gen/aiforge/v1/events_pb.ts';
import { afterFailure } from './after-failure.ts';
import { event } from './events.ts';
import type { SealedLog } from './commands.ts';
import type { Task } from './state.ts';

type Running = Extract<Task, { status: 'running' }>;

/**
 * Events that end an attempt without a result, and what follows for the task. What was requested comes first:
 * a loss while pausing is a pause at the last durable checkpoint, a loss while cancelling is cancelled.
 * Otherwise the task is queued again, until too many attempts in a row failed without progress.
 */
export function endAttempt(task: Running, outcome: AttemptOutcome, code: string, reason: string, retryable: boolean, log: SealedLog | undefined): Event[] {
  const ended = event('attemptEnded', { attempt: task.attempt.number, outcome, code, reason, ...logFields(log) });
  if (task.requested === 'cancel') return [ended, event('taskCancelled', { reason: 'cancelled on request' })];
  const counted = outcome === AttemptOutcome.FAILED || outcome === AttemptOutcome.LOST;
  const next = counted ? afterFailure(task, code, reason, retryable) : ({ again: true, events: [] } as const);
  if (!next.again) return [ended, event('taskFailed', { code, reason: next.reason })];
  if (task.requested === 'pause') return [ended, ...next.events, event('taskPaused', {})];
  // What is tried in another way than before is tried.
  if (next.events.length > 0) return [ended, ...next.events];
  if (counted && task.failures + 1 >= task.maxAttempts) {
    return [ended, event('taskFailed', { code, reason: `${reason} (attempt ${task.attempt.number}; ${task.maxAttempts} in a row ended without progress)` })];
  }
  return [ended];
}

/** Of `attemptEnded`. */
export function logFields(log: SealedLog | undefined): { logDigest: string; logLines: bigint } | Record<string, never> {
  return log === undefined ? {} : { logDigest: log.digest, logLines: BigInt(log.lines) };
}
