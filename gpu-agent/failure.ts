import { TaskFailure } from '../core/worker/task-runner.ts';
import type { ChildExit } from './process/child.ts';
import { textOf, type TrainerEvent } from './trainer-events.ts';

/**
 * Codes with which another attempt may do better, elsewhere or later. The others (bad_config, bad_dataset,
 * base_model_missing, hub_unreachable) need someone to change something first; what becomes of out_of_memory and
 * non_finite_loss is decided where the attempts before are known (core/task/after-failure.ts).
 */
const retryable = new Set(['internal', 'disk_full']);

const maxReason = 4_000;
const maxTail = 300;

/** What the trainer said itself, in an `error` event. */
export function failureOf(error: TrainerEvent): TaskFailure {
  const code = textOf(error, 'code') ?? 'internal';
  return new TaskFailure(code, (textOf(error, 'message') ?? 'the trainer gave no reason').slice(0, maxReason), retryable.has(code));
}

/** The trainer ended and said nothing: by a signal, or by an exit status that means nothing. */
export function crashOf(exit: ChildExit, lastLines: readonly string[]): TaskFailure {
  const how = exit.error ?? (exit.signal === null ? `it ended with status ${exit.code} and no result` : `it was ended by ${exit.signal}`);
  const hint = exit.signal === 'SIGKILL' ? ' (the system may have run out of memory)' : '';
  // A traceback is for the log, which has all of it; a client is told its last line.
  const last = lastLines.findLast((line) => line.trim() !== '');
  const tail = last === undefined ? '' : `; its last line: ${last.trim().slice(0, maxTail)}`;
  return new TaskFailure('trainer_crashed', `the trainer crashed: ${how}${hint}${tail}`, true);
}
