import type { Task } from '../../core/task/state.ts';
import { TaskKind, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { modelAggregate } from '../../core/model/model.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { stepOf } from '../../core/pipeline/state.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';

/** The training that a project's current model came from. */
export interface Trained {
  jobId: string;
  commit: string;
  /** Unix milliseconds. */
  at: number;
  training: TrainSpec;
}

/**
 * The project's current model by its job's lineage: what its alias points to, else the last training that was completed,
 * unless a gate refused it.
 * @returns undefined for a project that was never trained on a commit
 */
export function currentTraining(ledger: Ledger, project: string): Trained | undefined {
  const served = servedJob(ledger, project);
  const current = served === undefined ? undefined : trainedBy(served);
  if (current !== undefined) return current;
  const { forgottenAt } = ledger.head(projectAggregate, project).state;
  const refused = refusedJobs(ledger, project);
  let last: Trained | undefined;
  for (const [id, task] of ledger.all(taskAggregate)) {
    if (task.status === 'none' || task.project !== project || task.kind !== TaskKind.TRAIN || refused.has(id)) continue;
    const trained = trainedBy(task);
    if (trained !== undefined && trained.at > forgottenAt && trained.at >= (last?.at ?? 0)) last = trained;
  }
  return last;
}

/**
 * The job whose model is served, which a new one would replace, whatever it was trained on. Of what was trained before
 * the project was deleted nothing is left to compare with.
 */
export function servedJob(ledger: Ledger, project: string): Extract<Task, { status: 'completed' }> | undefined {
  const { target } = ledger.head(modelAggregate, project).state;
  const job = target === undefined ? undefined : ledger.head(taskAggregate, target).state;
  const { forgottenAt } = ledger.head(projectAggregate, project).state;
  return job?.status === 'completed' && job.updatedAt > forgottenAt ? job : undefined;
}

/** Jobs of pipelines whose gate has not let them pass. */
function refusedJobs(ledger: Ledger, project: string): Set<string> {
  const refused = new Set<string>();
  for (const [, pipeline] of ledger.all(pipelineAggregate)) {
    if (pipeline.status === 'none' || pipeline.plan.project !== project || pipeline.gate?.passed === true) continue;
    const job = stepOf(pipeline, 'train')?.taskId;
    if (job !== undefined) refused.add(job);
  }
  return refused;
}

/** Name of the project that a repository was trained for last; undefined for none. */
export function projectTrainedOn(ledger: Ledger, repository: string): string | undefined {
  let last: { project: string; at: number } | undefined;
  for (const [, task] of ledger.all(taskAggregate)) {
    if (task.status !== 'completed' || task.result.kind.case !== 'train' || task.result.kind.value.lineage?.repository !== repository) continue;
    if (task.updatedAt >= (last?.at ?? 0)) last = { project: task.project, at: task.updatedAt };
  }
  return last?.project;
}

/** A repository other than this one that a project of that name was trained on; undefined for none. */
export function otherRepositoryOf(ledger: Ledger, project: string, repository: string): string | undefined {
  for (const [, task] of ledger.all(taskAggregate)) {
    if (task.status !== 'completed' || task.project !== project || task.result.kind.case !== 'train') continue;
    const other = task.result.kind.value.lineage;
    if (other !== undefined && other.repository !== '' && !other.commit.startsWith('file:') && other.repository !== repository) return other.repository;
  }
  return undefined;
}

function trainedBy(task: Task): Trained | undefined {
  if (task.status !== 'completed' || task.result.kind.case !== 'train' || task.spec.kind.case !== 'train') return undefined;
  const commit = task.result.kind.value.lineage?.commit ?? '';
  // A training file is no commit: nothing can be measured against it.
  return commit === '' || commit.startsWith('file:') ? undefined : { jobId: task.id, commit, at: task.updatedAt, training: task.spec.kind.value };
}
