import { ForgeError, assertNever } from '../errors.ts';
import { AttemptOutcome, type Event } from '../gen/aiforge/v1/events_pb.ts';
import type { ReportRequest } from '../gen/aiforge/v1/worker_pb.ts';
import { resultProblem } from './check-result.ts';
import type { SealedLog, TaskCommand } from './commands.ts';
import { endAttempt, logFields } from './end-attempt.ts';
import { event } from './events.ts';
import type { Task } from './state.ts';

/** A report that changes nothing: `gap` (an earlier one is missing) or `over` (the attempt is not the worker's any more). */
export class ReportRefused extends ForgeError {
  readonly refusal: 'gap' | 'over';

  constructor(refusal: 'gap' | 'over', message: string) {
    super('wrong_state', message);
    this.refusal = refusal;
  }
}

/**
 * The fence: only the attempt that holds the task is heard, and only in the order of its numbers. Last + 1 is
 * decided, lower is a repeat, a gap is refused, and so is all that comes from an attempt that is over.
 */
export function decideReport(command: Extract<TaskCommand, { type: 'report' }>, task: Task): Event[] {
  const { report, workerId } = command;
  const number = Number(report.number);
  if (task.status !== 'running' || task.attempt.number !== report.attempt) {
    const ended = task.ended.find((attempt) => attempt.number === report.attempt);
    if (ended?.workerId === workerId && ended.bootId === report.bootId && number <= ended.reported) return [];
    throw new ReportRefused('over', `attempt ${report.attempt} of ${task.id} is over${ended === undefined ? '' : `: ${ended.reason || ended.code || 'ended'}`}`);
  }
  const { attempt } = task;
  if (attempt.workerId !== workerId || attempt.bootId !== report.bootId) throw new ReportRefused('over', `attempt ${report.attempt} of ${task.id} belongs to ${attempt.workerId}`);
  if (number <= attempt.reported) return [];
  if (number !== attempt.reported + 1) throw new ReportRefused('gap', `report ${number} came after ${attempt.reported}: ${attempt.reported + 1} is missing`);
  return [event('reportAccepted', { attempt: attempt.number, number: report.number }), ...decideBody(report, task, command.log)];
}

function decideBody(report: ReportRequest, task: Extract<Task, { status: 'running' }>, log: SealedLog | undefined): Event[] {
  const attempt = task.attempt.number;
  const { body } = report;
  switch (body.case) {
    case 'phase':
      return [event('phaseEntered', { attempt, phase: body.value.phase, totalSteps: body.value.totalSteps })];
    case 'checkpoint': {
      const { step, epoch, loss, digest, seconds, telemetry } = body.value;
      return [event('checkpointSaved', { attempt, step, epoch, loss, digest, seconds, telemetry })];
    }
    case 'completed': {
      const problem = resultProblem(task.kind, body.value.result);
      if (problem !== undefined) throw new ForgeError('invalid_argument', problem, { field: 'result' });
      return [event('attemptEnded', { attempt, outcome: AttemptOutcome.COMPLETED, ...logFields(log) }), event('taskCompleted', { result: body.value.result })];
    }
    case 'failed':
      return endAttempt(task, AttemptOutcome.FAILED, body.value.code, body.value.reason, body.value.retryable, log);
    case 'stopped':
      return endAttempt(task, AttemptOutcome.STOPPED, 'stopped', 'the worker stopped it', true, log);
    case 'returned':
      return endAttempt(task, AttemptOutcome.RETURNED, 'returned', body.value.reason, true, log);
    case undefined:
      throw new ForgeError('invalid_argument', 'body: a report must say what happened', { field: 'body' });
    default:
      return assertNever(body, 'report');
  }
}
