import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { ForgeError, isForgeError } from '../../core/errors.ts';
import { TaskKind, TaskSpecSchema, type TaskSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { mayBeRetried, type Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { maxAttempts } from '../../core/training/defaults.ts';
import { findJob } from './query.ts';

/** The job, when its training is completed. @throws ForgeError not_found, wrong_state */
export async function completedJob(ledger: Ledger, jobId: string, verb: string): Promise<Task> {
  const job = await findJob(ledger, jobId);
  if (job.status === 'completed') return job;
  const fresh = (await ledger.refresh(taskAggregate, jobId)).state as Task;
  if (fresh.status === 'completed') return fresh;
  throw new ForgeError('wrong_state', `job_id: ${jobId} is ${fresh.status} and can't be ${verb}: its training must be completed first`, { field: 'job_id' });
}

export interface FollowUpOptions {
  /** Task that must be completed first. */
  after?: string;
  /**
   * Of a pipeline: such a request has a task that failed or was cancelled before tried again once, and one that it made
   * itself never, however often it is sent.
   */
  requestId?: string;
  actor?: string;
}

const newMeta = (actor: string) => ({ commandId: randomUUID(), actor, time: Date.now() });

/** Identity of the request that makes a task; empty where nobody will send it again. */
function requestSha256({ requestId = '', actor = 'client' }: FollowUpOptions): string {
  return requestId === '' ? '' : sha256Hex(JSON.stringify([actor, requestId]));
}

/** Makes the task under its derived id when it is missing. @returns whether it was there, however it ended */
export async function makeTask(ledger: Ledger, id: string, project: string, spec: TaskSpec, options: FollowUpOptions = {}): Promise<boolean> {
  const { after = '', actor = 'client' } = options;
  try {
    const { version } = await ledger.execute(taskAggregate, id, { type: 'queue', kind: kindOf(spec), project, spec, after, maxAttempts }, { ...newMeta(actor), idempotencySha256: requestSha256(options) });
    await ledger.waitFor(version);
    return false;
  } catch (error) {
    if (!isForgeError(error, 'already_exists')) throw error;
    return true;
  }
}

/** Makes the task under its derived id when it is missing, and has one tried again that failed or was cancelled. */
export async function ensureTask(ledger: Ledger, id: string, project: string, spec: TaskSpec, options: FollowUpOptions = {}): Promise<void> {
  if (!(await makeTask(ledger, id, project, spec, options))) return;
  const { requestId = '', actor = 'client' } = options;
  const head = await ledger.refresh(taskAggregate, id);
  if (head.state.status === 'none' || !mayBeRetried(head.state)) return;
  // The request that made the task is sent again since its answer was lost: how it ended is for the next try to mend.
  if (requestId !== '' && head.idempotencySha256 === requestSha256(options)) return;
  const { version } = await ledger.execute(taskAggregate, id, { type: 'retry', requestId }, newMeta(actor)).catch((race: unknown) => {
    if (isForgeError(race, 'wrong_state')) return { version: 0 };
    throw race;
  });
  await ledger.waitFor(version);
}

/** What follows the job's training and has not ended, oldest first. */
export function openFollowUps(ledger: Ledger, jobId: string): Task[] {
  const open: Task[] = [];
  for (const [id, task] of ledger.open(taskAggregate)) if (task.status !== 'none' && task.kind !== TaskKind.EXTRACT && id.startsWith(`${jobId}.`)) open.push(task);
  return open.sort((a, b) => a.queuedSequence - b.queuedSequence);
}

export function exportIdOf(jobId: string): string {
  return `${jobId}.export`;
}

/** Of a job's first deployment. */
export function deployIdOf(jobId: string): string {
  return `${jobId}.deploy`;
}

export function exportSpec(jobId: string, ggufQuantization: string): TaskSpec {
  return create(TaskSpecSchema, { kind: { case: 'export', value: { jobId, ggufQuantization } } });
}

export function evaluateSpec(jobId: string): TaskSpec {
  return create(TaskSpecSchema, { kind: { case: 'evaluate', value: { jobId } } });
}

export function deploySpec(jobId: string, alias: string): TaskSpec {
  return create(TaskSpecSchema, { kind: { case: 'deploy', value: { jobId, alias } } });
}

function kindOf({ kind }: TaskSpec): TaskKind {
  switch (kind.case) {
    case 'extract':
      return TaskKind.EXTRACT;
    case 'evaluate':
      return TaskKind.EVALUATE;
    case 'export':
      return TaskKind.EXPORT;
    case 'deploy':
      return TaskKind.DEPLOY;
    default:
      throw new ForgeError('internal', `a follow-up can't be of kind ${kind.case}`);
  }
}

/** The task's result, or why there is none as an error that a client can act on. */
export function expectCompleted(task: Task, what: string): Extract<Task, { status: 'completed' }> {
  if (task.status === 'completed') return task;
  if (task.status === 'failed') throw new ForgeError(task.code === 'unavailable' ? 'unavailable' : 'task_failed', `${what} failed: ${task.code}: ${task.reason}. Send the request again to have it tried again`);
  throw new ForgeError('wrong_state', `${what} was ${task.status}`);
}
