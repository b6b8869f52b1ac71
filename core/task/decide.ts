import { ForgeError, assertNever } from '../errors.ts';
import { AttemptOutcome, type Event } from '../gen/aiforge/v1/events_pb.ts';
import type { TaskCommand } from './commands.ts';
import { decideReport } from './decide-report.ts';
import { endAttempt } from './end-attempt.ts';
import { event } from './events.ts';
import { mayBeRetried, nextAttempt, type Task, type TaskState } from './state.ts';

/**
 * What a command makes of a task. Pure.
 * @returns no events for a repeat
 * @throws ForgeError wrong_state for an illegal move, already_exists, not_found; ReportRefused for reports
 */
export function decide(command: TaskCommand, state: TaskState): Event[] {
  if (command.type === 'queue') {
    if (state.status !== 'none') throw new ForgeError('already_exists', `task ${state.id} exists already`);
    const { kind, project, spec, after, maxAttempts } = command;
    return [event('taskQueued', { kind, project, spec, after, maxAttempts })];
  }
  if (state.status === 'none') throw new ForgeError('not_found', 'there is no such task');
  switch (command.type) {
    case 'start':
      return start(command, state);
    case 'report':
      return decideReport(command, state);
    case 'lose':
      if (state.status !== 'running' || state.attempt.number !== command.attempt) return [];
      return endAttempt(state, AttemptOutcome.LOST, 'worker_lost', command.reason, true, command.log);
    case 'pause':
      return pause(state);
    case 'resume':
      return resume(state);
    case 'cancel':
      return cancel(state, command.reason);
    case 'retry':
      if (command.requestId !== '' && state.retriedFor === command.requestId) return [];
      if (!mayBeRetried(state)) throw wrongState(state, 'retried', 'only a failed task can be, and what follows a training when it was cancelled');
      return [event('taskRetried', { requestId: command.requestId })];
    case 'abandon':
      if (state.status !== 'queued' && state.status !== 'paused') return [];
      return [command.outcome === 'cancelled' ? event('taskCancelled', { reason: command.reason }) : event('taskFailed', { code: command.code, reason: command.reason })];
    default:
      return assertNever(command, 'command');
  }
}

function start(command: Extract<TaskCommand, { type: 'start' }>, task: Task): Event[] {
  if (task.status === 'running') {
    const { bootId, askId, workerId } = task.attempt;
    if (bootId === command.bootId && askId === command.askId && workerId === command.workerId) return [];
  }
  if (task.status !== 'queued') throw wrongState(task, 'started', 'only a queued task can be');
  return [
    event('attemptStarted', {
      attempt: nextAttempt(task),
      workerId: command.workerId,
      bootId: command.bootId,
      slot: command.slot,
      askId: command.askId,
      secretSha256: checkSecretHash(command.secretSha256),
      checkpointDigest: task.checkpoint?.digest ?? '',
    }),
  ];
}

/** Workers of an earlier version send none. */
function checkSecretHash(sha256: Uint8Array = new Uint8Array()): Uint8Array {
  if (sha256.length !== 0 && sha256.length !== 32) throw new ForgeError('invalid_argument', `secret_sha256: must be a SHA-256, of 32 bytes and not ${sha256.length}`, { field: 'secret_sha256' });
  return sha256;
}

function pause(task: Task): Event[] {
  if (task.status === 'queued') return [event('pauseRequested', {}), event('taskPaused', {})];
  if (task.status === 'running' && task.requested === 'pause') return [];
  if (task.status === 'running' && task.requested === 'none') return [event('pauseRequested', {})];
  throw wrongState(task, 'paused', 'only a queued or running task can be');
}

function resume(task: Task): Event[] {
  if (task.status === 'paused') return [event('taskResumed', {})];
  throw wrongState(task, 'resumed', 'only a paused task can be');
}

function cancel(task: Task, reason: string): Event[] {
  if (task.status === 'queued' || task.status === 'paused') return [event('cancelRequested', { reason }), event('taskCancelled', { reason })];
  if (task.status === 'running') return task.requested === 'cancel' ? [] : [event('cancelRequested', { reason })];
  throw wrongState(task, 'cancelled', 'it has ended');
}

/** How a status reads in a message: with what was requested and has not happened yet. */
function describe(task: Task): string {
  return task.status === 'running' && task.requested !== 'none' ? `running, with ${task.requested} requested` : task.status;
}

function wrongState(task: Task, verb: string, rule: string): ForgeError {
  return new ForgeError('wrong_state', `${task.id} is ${describe(task)} and can't be ${verb}: ${rule}`, { field: 'job_id' });
}
