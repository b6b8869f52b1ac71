import { randomUUID } from 'node:crypto';
import { ForgeError, isForgeError } from '../../core/errors.ts';
import { TaskKind, type TaskSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { reservationAggregate } from '../../core/idempotency/reservation.ts';
import type { CommandMeta } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { maxAttempts } from '../../core/training/defaults.ts';
import { jobIdAt, withSuffix } from '../../core/training/names.ts';

const maxTries = 20;

export interface NewJob {
  /** `TRAIN` by default; `EXTRACT` makes a dataset, whose id says so. */
  kind?: TaskKind;
  project: string;
  spec: TaskSpec;
  /** The extract task that it waits for; by default its own, `<job_id>.extract`. */
  after?: string;
  actor: string;
}

/** What makes a repeat get the same job: SHA-256 of caller and key, and of the body, in hex. */
export interface JobKey {
  sha256: string;
  bodySha256: string;
}

/**
 * Queues a fine-tuning job, or a dataset, under a free id, once for its key.
 * @returns its id
 * @throws ForgeError idempotency_conflict, version_conflict
 */
export async function createJob({ ledger, now = Date.now }: { ledger: Ledger; now?: () => number }, job: NewJob, key: JobKey | undefined): Promise<string> {
  const time = now();
  const idAtTime = jobIdAt(time, job.kind === TaskKind.EXTRACT ? 'dataset' : 'job');
  let jobId = idAtTime;
  if (key !== undefined) jobId = await reserve(ledger, key, jobId, time);
  for (let tries = 0; tries < maxTries; tries++) {
    if (await queue(ledger, jobId, job, { commandId: key?.sha256 ?? randomUUID(), actor: job.actor, time, idempotencySha256: key?.sha256 ?? '' })) return jobId;
    const next = withSuffix(idAtTime);
    if (key === undefined) {
      jobId = next;
    } else {
      const meta = { commandId: randomUUID(), actor: 'gateway', time: now() };
      const { state } = await ledger.execute(reservationAggregate, key.sha256, { type: 'move', from: jobId, to: next }, meta);
      jobId = state.status === 'reserved' ? state.jobId : next;
    }
  }
  throw new ForgeError('version_conflict', 'no free job id could be had: try again');
}

/**
 * The job that was made for a key before: a repeat is answered without looking at anything else.
 * @throws ForgeError idempotency_conflict, where it was used for another body
 */
export async function repeatedJob(ledger: Ledger, key: JobKey, time: number): Promise<string | undefined> {
  const known = (await ledger.refresh(reservationAggregate, key.sha256)).state;
  if (known.status !== 'reserved') return undefined;
  const jobId = await reserve(ledger, key, known.jobId, time);
  return (await ledger.refresh(taskAggregate, jobId)).idempotencySha256 === key.sha256 ? jobId : undefined;
}

/** @returns id of the job that the key stands for. @throws ForgeError idempotency_conflict */
export async function reserve(ledger: Ledger, { sha256, bodySha256 }: JobKey, jobId: string, time: number): Promise<string> {
  const meta = { commandId: randomUUID(), actor: 'client', time };
  const { state } = await ledger.execute(reservationAggregate, sha256, { type: 'reserve', bodySha256, jobId }, meta);
  return state.status === 'reserved' ? state.jobId : jobId;
}

/** @returns false when the id is another job's */
async function queue(ledger: Ledger, jobId: string, { kind = TaskKind.TRAIN, project, spec, after }: NewJob, meta: CommandMeta & { idempotencySha256: string }): Promise<boolean> {
  try {
    const command = { type: 'queue', kind, project, spec, after: after ?? `${jobId}.extract`, maxAttempts } as const;
    const { version } = await ledger.execute(taskAggregate, jobId, command, meta);
    // Who asks for its status next must find it.
    await ledger.waitFor(version);
    return true;
  } catch (error) {
    if (!isForgeError(error, 'already_exists')) throw error;
    const head = await ledger.refresh(taskAggregate, jobId);
    return meta.idempotencySha256 !== '' && head.idempotencySha256 === meta.idempotencySha256;
  }
}
