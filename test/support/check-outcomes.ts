import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';

/** What clients were promised, and the ends that they were told of, in order. */
export interface Promised {
  /** Job id that each Idempotency-Key was answered with. */
  readonly acknowledged: Map<string, string>;
  readonly ends: { jobId: string; status: string }[];
}

/** What one task's events came to, counted here and not by the fold under test. */
interface Seen {
  train: boolean;
  /** Export, evaluation, deployment: those may be tried again after they were cancelled. */
  followsTraining: boolean;
  last: string;
  ends: string[];
  retries: number;
}

const followsTraining: readonly TaskKind[] = [TaskKind.EVALUATE, TaskKind.EXPORT, TaskKind.DEPLOY];
const endings: Record<string, string> = { taskCompleted: 'completed', taskFailed: 'failed', taskCancelled: 'cancelled' };

/**
 * At most one outcome a task (one more for each time that one which may be was tried again), nothing that was acknowledged lost or
 * made twice, nothing left unfinished, and every end that a client was told of the one that it is. Looks only at the stream and at what
 * was told.
 * @returns what is wrong, as sentences
 */
export function checkOutcomes(history: readonly StoredEnvelope[], { acknowledged, ends }: Promised): string[] {
  const problems: string[] = [];
  const tasks = new Map<string, Seen>();
  for (const { sequence, aggregate, id, envelope } of history) {
    if (aggregate !== 'task') continue;
    for (const { kind } of envelope.events) {
      if (kind.case === 'taskQueued') {
        if (tasks.has(id)) problems.push(`${sequence}: ${id} was queued twice`);
        tasks.set(id, { train: kind.value.kind === TaskKind.TRAIN, followsTraining: followsTraining.includes(kind.value.kind), last: 'queued', ends: [], retries: 0 });
      }
      const task = tasks.get(id);
      if (task === undefined) {
        problems.push(`${sequence}: ${id}: ${kind.case} before it was queued`);
        continue;
      }
      const over = task.last === 'completed' || task.last === 'failed' || task.last === 'cancelled';
      if (kind.case === 'taskRetried' && (task.last === 'failed' || (task.last === 'cancelled' && task.followsTraining))) task.retries += 1;
      else if (over) problems.push(`${sequence}: ${id}: ${kind.case} after it had ${task.last}`);
      const end = endings[kind.case ?? ''];
      if (end !== undefined) task.ends.push(end);
      task.last = end ?? (kind.case === 'taskPaused' ? 'paused' : 'unfinished');
    }
  }
  for (const [id, { last, ends: outcomes, retries }] of tasks) {
    if (outcomes.length > 1 + retries) problems.push(`${id} has ${outcomes.length} outcomes: ${outcomes.join(', ')}`);
    if (!Object.values(endings).includes(last)) problems.push(`${id} is stuck: it is ${last}`);
  }

  const jobs = [...acknowledged.values()];
  if (new Set(jobs).size !== jobs.length) problems.push('one job was given to two keys');
  for (const jobId of jobs) if (!tasks.has(jobId)) problems.push(`${jobId} was acknowledged and is not in the stream`);
  for (const [id, { train }] of tasks) if (train && !jobs.includes(id)) problems.push(`${id} is in the stream and nobody was told of it: something was submitted twice`);
  for (const { jobId, status } of ends) {
    const task = tasks.get(jobId);
    const was = task?.last === status || (status === 'failed' && task !== undefined && task.retries > 0 && task.ends.includes('failed'));
    if (!was) problems.push(`a client was told that ${jobId} is ${status}, and it is ${task?.last ?? 'not there'}`);
  }
  return problems;
}
