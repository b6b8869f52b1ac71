import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import { checkFence } from '../support/check-attempts.ts';
import { checkOutcomes } from '../support/check-outcomes.ts';
import { checkAdmission, checkChain, checkFeeds } from '../support/check-stream.ts';
import { checkTrained, trainedState } from '../support/check-training.ts';
import type { PlannedJob } from './plan.ts';
import type { Users } from './users.ts';

/** Of the jobs that nobody cancelled, so many have to be done: what only ever fails keeps every promise. */
const leastCompleted = 0.7;

/** What is looked at: the stream, and what users were told. */
export interface Evidence {
  history: readonly StoredEnvelope[];
  users: Pick<Users, 'told' | 'client'>;
  /** By the key of its submission. */
  jobs: ReadonlyMap<string, PlannedJob>;
  /** What each gateway lists at the end. */
  lists: readonly (readonly { job_id: string; status: string }[])[];
  blobs: BlobStore;
}

/** Whether every promise held in a campaign. @returns what is wrong, as sentences */
export async function checkCampaign({ history, users: { told, client }, jobs, lists, blobs }: Evidence): Promise<string[]> {
  const problems = [
    ...client.told.oddities,
    ...checkChain(history),
    ...checkAdmission(history),
    ...checkFence(history),
    ...checkOutcomes(history, told),
    ...checkFeeds(history, client.told),
  ];
  const ends = new Map(told.ends.map(({ jobId, status }) => [jobId, status]));
  for (const [index, list] of lists.entries()) {
    const listed = new Map(list.map((job) => [job.job_id, job.status]));
    for (const [jobId, status] of ends) if (listed.get(jobId) !== status) problems.push(`gateway ${index + 1} lists ${jobId} as ${listed.get(jobId) ?? 'nothing'}, and its user was told ${status}`);
    if (listed.size !== list.length || listed.size !== told.acknowledged.size) problems.push(`gateway ${index + 1} lists ${list.length} jobs, and ${told.acknowledged.size} were acknowledged`);
  }
  for (const [key, { trainer, steps }] of jobs) {
    const jobId = told.acknowledged.get(key);
    if (jobId === undefined) problems.push(`${key} was never acknowledged`);
    else if (trainer === 'scripted' && ends.get(jobId) === 'completed') {
      const trained = await trainedState(blobs, history, jobId);
      problems.push(...(trained === undefined ? ['it has no result'] : checkTrained(trained, steps)).map((problem) => `${jobId}: ${problem}`));
    }
  }
  const wanted = [...ends.values()].filter((status) => status !== 'cancelled');
  const completed = wanted.filter((status) => status === 'completed').length;
  if (completed < leastCompleted * wanted.length) problems.push(`only ${completed} of ${wanted.length} jobs completed`);
  return problems;
}

/** The events of each task that a problem names, for whoever has to find out why. */
export function eventsOfNamed(history: readonly StoredEnvelope[], problems: readonly string[]): string[] {
  const text = problems.join('\n');
  return history
    .filter(({ aggregate, id }) => aggregate === 'task' && text.includes(id))
    .map(({ sequence, id, envelope }) => `${sequence} ${id} ${envelope.actor}: ${envelope.events.map(({ kind }) => (kind.case === 'attemptEnded' ? `attemptEnded (${kind.value.code})` : kind.case)).join(', ')}`);
}

/** What a campaign came to, in numbers. */
export function summarize(history: readonly StoredEnvelope[]): string {
  const counts = { attempts: 0, lost: 0, failed: 0, checkpoints: 0, trainings: 0, evaluations: 0 };
  for (const { envelope } of history) {
    for (const { kind } of envelope.events) {
      if (kind.case === 'attemptStarted') counts.attempts += 1;
      if (kind.case === 'attemptEnded' && kind.value.code === 'worker_lost') counts.lost += 1;
      else if (kind.case === 'attemptEnded' && kind.value.code !== '' && kind.value.code !== 'stopped' && kind.value.code !== 'returned') counts.failed += 1;
      if (kind.case === 'checkpointSaved') counts.checkpoints += 1;
      if (kind.case === 'taskQueued' && kind.value.kind === TaskKind.TRAIN) counts.trainings += 1;
      if (kind.case === 'taskQueued' && kind.value.kind === TaskKind.EVALUATE) counts.evaluations += 1;
    }
  }
  const { attempts, lost, failed, checkpoints, trainings, evaluations } = counts;
  return `${history.length} envelopes: ${trainings} trainings and ${evaluations} evaluations, ${attempts} attempts of which ${lost} were lost and ${failed} failed, ${checkpoints} checkpoints`;
}
