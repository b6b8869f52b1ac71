import { create } from '@bufbuild/protobuf';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import { ForgeError } from '../../core/errors.ts';
import { ReferenceModelSchema, type Inputs, type TaskResult, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { Task } from '../../core/task/state.ts';
import { hyperparametersOfTask } from '../../core/training/effective-batch.ts';
import { exportIdOf } from '../jobs/follow-up.ts';

type InputsInit = Partial<Omit<Inputs, '$typeName' | '$unknown'>>;

/** What a worker needs for a task beside its specification: what earlier tasks made, as digests. */
export function inputsOf(task: Task, ledger: Ledger): InputsInit {
  const { kind } = task.spec;
  switch (kind.case) {
    case 'train':
      return { ...trainInputs(task, kind.value, ledger), project: task.project, ...checkpointInputs(task), ...microBatchInputs(task, kind.value) };
    case 'evaluate':
      return { ...finishedTraining(kind.value.jobId, ledger), project: task.project, ...referenceInputs(kind.value.referenceJobId, ledger) };
    case 'export':
      return { ...finishedTraining(kind.value.jobId, ledger), project: task.project };
    case 'deploy': {
      const exported = resultOf(exportIdOf(kind.value.jobId), 'export', ledger);
      return { exportDigest: exported.exportDigest, ggufDigest: exported.ggufDigest, project: task.project };
    }
    default:
      return { project: task.project };
  }
}

function trainInputs(job: Task, spec: TrainSpec, ledger: Ledger): InputsInit {
  const datasetDigest = spec.source.case === 'datasetDigest' ? spec.source.value : resultOf(job.after, 'extract', ledger).datasetDigest;
  const base = ledger.head(baseModelAggregate, spec.baseModel).state;
  return {
    datasetDigest,
    baseModel: spec.baseModel,
    revision: spec.revision,
    baseModelDigest: base.status === 'pinned' ? base.treeDigest : '',
    hyperparameters: spec.hyperparameters,
  };
}

function finishedTraining(jobId: string, ledger: Ledger): InputsInit {
  const job = ledger.head(taskAggregate, jobId).state;
  if (job.status === 'none' || job.spec.kind.case !== 'train') throw new ForgeError('not_found', `there is no job ${jobId}`);
  const trained = resultOf(jobId, 'train', ledger);
  const spec = job.spec.kind.value;
  // A branch may have moved since: base and adapter belong together by the commit that was trained on.
  return { ...trainInputs(job, spec, ledger), revision: trained.lineage?.revision || spec.revision, adapterDigest: trained.adapterDigest, trainedBaseModelDigest: trained.lineage?.baseModelDigest ?? '' };
}

/** The model that a new one would replace, as its own training left it. */
function referenceInputs(jobId: string, ledger: Ledger): InputsInit {
  if (jobId === '') return {};
  const { adapterDigest = '', baseModel = '', revision = '', baseModelDigest = '', trainedBaseModelDigest = '' } = finishedTraining(jobId, ledger);
  return { reference: create(ReferenceModelSchema, { jobId, adapterDigest, baseModel, revision, baseModelDigest, trainedBaseModelDigest }) };
}

function checkpointInputs(task: Task): InputsInit {
  return task.checkpoint === undefined ? {} : { checkpointDigest: task.checkpoint.digest, checkpointStep: BigInt(task.checkpoint.step) };
}

/** Where memory asked for smaller micro-batches: the rows keep the order that the planned ones gave them. */
function microBatchInputs(task: Task, spec: TrainSpec): InputsInit {
  return task.microBatch === undefined ? {} : { hyperparameters: hyperparametersOfTask(task)!, plannedBatchSize: spec.hyperparameters!.batchSize };
}

type Results = { [R in TaskResult['kind'] as R['case'] & string]: R['value'] & object };

/** Result of a completed task. @throws ForgeError wrong_state when it is not completed */
export function resultOf<K extends keyof Results>(taskId: string, kind: K, ledger: Ledger): Results[K] {
  const state = ledger.head(taskAggregate, taskId).state;
  if (state.status !== 'completed' || state.result.kind.case !== kind) throw new ForgeError('wrong_state', `${taskId} has no result: it is ${state.status}`);
  return state.result.kind.value as Results[K];
}
