import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { assertNever } from '../../core/errors.ts';
import { FineTuningStatus, type FineTuningJobSchema } from '../../core/gen/aiforge/v1/fine_tuning_pb.ts';
import type { TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { isTerminal, type Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { defaults } from '../../core/training/defaults.ts';
import { deployIdOf, exportIdOf } from '../jobs/follow-up.ts';
import type { FineTuningDeps } from './deps.ts';

export type FineTuningView = MessageInitShape<typeof FineTuningJobSchema>;
type ViewDeps = Pick<FineTuningDeps, 'ledger' | 'metrics' | 'served' | 'results'>;

/** A job as OpenAI has it. What was not measured, or is not known yet, is absent. */
export function viewFineTuning(job: Task, deps: ViewDeps): FineTuningView {
  const spec = job.spec.kind.value as TrainSpec;
  const asked = spec.fineTuning;
  const status = statusOf(job, deps);
  const ended = status === FineTuningStatus.SUCCEEDED || status === FineTuningStatus.FAILED || status === FineTuningStatus.CANCELLED;
  const result = job.status === 'completed' && job.result.kind.case === 'train' ? job.result.kind.value : undefined;
  return {
    id: job.id,
    status,
    model: spec.baseModel,
    fineTunedModel: status === FineTuningStatus.SUCCEEDED ? deps.served.nameOf(job) : undefined,
    trainingFile: asked?.trainingFile ?? '',
    validationFile: asked?.validationFile || undefined,
    hyperparameters: hyperparametersOf(spec),
    seed: spec.hyperparameters?.seed ?? 0n,
    suffix: asked?.suffix || undefined,
    metadata: asked?.metadata ?? {},
    createdAt: timestampFromMs(job.createdAt),
    finishedAt: ended ? timestampFromMs(finishedAt(job, deps)) : undefined,
    estimatedFinish: estimatedFinish(job, deps),
    trainedTokens: result?.tokensSeen,
    error: job.status === 'failed' ? { code: job.code, message: job.reason, param: job.code === 'bad_dataset' && asked !== undefined ? 'training_file' : undefined } : undefined,
    resultFiles: deps.results.of(job),
  };
}

function statusOf(job: Task, deps: ViewDeps): FineTuningStatus {
  switch (job.status) {
    case 'queued':
      return job.after === '' || deps.ledger.head(taskAggregate, job.after).state.status === 'completed' ? FineTuningStatus.QUEUED : FineTuningStatus.VALIDATING_FILES;
    case 'running':
      return FineTuningStatus.RUNNING;
    case 'paused':
      return FineTuningStatus.PAUSED;
    case 'completed':
      return deployedStatus(job, deps);
    case 'failed':
      return FineTuningStatus.FAILED;
    case 'cancelled':
      return FineTuningStatus.CANCELLED;
    default:
      return assertNever(job, 'status');
  }
}

/** A job of OpenAI's succeeds when its model answers, or it is clear that it will not by itself. */
function deployedStatus(job: Task, deps: ViewDeps): FineTuningStatus {
  if (!waitsForDeploy(job, deps)) return FineTuningStatus.SUCCEEDED;
  const exported = deps.ledger.head(taskAggregate, exportIdOf(job.id)).state;
  const deployed = deps.ledger.head(taskAggregate, deployIdOf(job.id)).state;
  if (deployed.status === 'cancelled') return FineTuningStatus.CANCELLED;
  if (isTerminal(deployed)) return FineTuningStatus.SUCCEEDED;
  return exported.status === 'paused' || deployed.status === 'paused' ? FineTuningStatus.PAUSED : FineTuningStatus.RUNNING;
}

/** Whether there is more to a completed training: its model is deployed by itself. */
function waitsForDeploy(job: Task, { served }: ViewDeps): boolean {
  return (job.spec.kind.value as TrainSpec).fineTuning !== undefined && served.canDeploy();
}

function finishedAt(job: Task, deps: ViewDeps): number {
  const deployed = deps.ledger.head(taskAggregate, deployIdOf(job.id)).state;
  return job.status === 'completed' && waitsForDeploy(job, deps) && deployed.status !== 'none' ? deployed.updatedAt : job.updatedAt;
}

function estimatedFinish(job: Task, { metrics }: ViewDeps): FineTuningView['estimatedFinish'] {
  if (job.status !== 'running') return undefined;
  const measured = metrics.get(job.id);
  return measured?.attempt === job.attempt.number && measured.endsAt !== undefined ? timestampFromMs(measured.endsAt) : undefined;
}

function hyperparametersOf({ hyperparameters, fineTuning }: TrainSpec): FineTuningView['hyperparameters'] {
  if (hyperparameters === undefined) return undefined;
  const { epochs, batchSize, gradientAccumulation, learningRate } = hyperparameters;
  // A quotient of decimal fractions has a tail that nobody asked for.
  const multiplier = fineTuning?.learningRateMultiplier ?? Number((learningRate / defaults.learningRate).toPrecision(12));
  return { nEpochs: epochs, batchSize: batchSize * gradientAccumulation, learningRateMultiplier: multiplier };
}
