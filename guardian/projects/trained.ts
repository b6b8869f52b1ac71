import type { Task } from '../../core/task/state.ts';
import { TaskKind, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { modelAggregate } from '../../core/model/model.ts';
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
 * The project's current model by its job's lineage: what its alias points to, else the last training that was completed.
 * @returns undefined for a project that was never trained on a commit
 */
export function currentTraining(ledger: Ledger, project: string): Trained | undefined {
  // Of what was trained before the project was deleted nothing is left to compare with.
  const { forgottenAt } = ledger.head(projectAggregate, project).state;
  const { target } = ledger.head(modelAggregate, project).state;
  const served = target === undefined ? undefined : trainedBy(ledger.head(taskAggregate, target).state as Task);
  if (served !== undefined && served.at > forgottenAt) return served;
  let last: Trained | undefined;
  for (const [, task] of ledger.all(taskAggregate)) {
    if (task.status === 'none' || task.project !== project || task.kind !== TaskKind.TRAIN) continue;
    const trained = trainedBy(task);
    if (trained !== undefined && trained.at > forgottenAt && trained.at >= (last?.at ?? 0)) last = trained;
  }
  return last;
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

function trainedBy(task: Task): Trained | undefined {
  if (task.status !== 'completed' || task.result.kind.case !== 'train' || task.spec.kind.case !== 'train') return undefined;
  const commit = task.result.kind.value.lineage?.commit ?? '';
  // A training file is no commit: nothing can be measured against it.
  return commit === '' || commit.startsWith('file:') ? undefined : { jobId: task.id, commit, at: task.updatedAt, training: task.spec.kind.value };
}
