import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import {
  FineTuningCheckpointSchema, FineTuningEventSchema, FineTuningJobSchema, FineTuningStatus,
  type FineTuningCheckpoint, type FineTuningEvent, type FineTuningJob,
} from '../../../core/gen/aiforge/v1/fine_tuning_pb.ts';

const statuses: Readonly<Record<FineTuningStatus, string>> = {
  [FineTuningStatus.UNSPECIFIED]: 'queued',
  [FineTuningStatus.VALIDATING_FILES]: 'validating_files',
  [FineTuningStatus.QUEUED]: 'queued',
  [FineTuningStatus.RUNNING]: 'running',
  [FineTuningStatus.PAUSED]: 'paused',
  [FineTuningStatus.SUCCEEDED]: 'succeeded',
  [FineTuningStatus.FAILED]: 'failed',
  [FineTuningStatus.CANCELLED]: 'cancelled',
};

/** OpenAI's `fine_tuning.job`. */
export function jobObject(init: MessageInitShape<typeof FineTuningJobSchema>) {
  const job: FineTuningJob = create(FineTuningJobSchema, init);
  const { nEpochs = 'auto', batchSize = 'auto', learningRateMultiplier = 'auto' } = job.hyperparameters ?? {};
  const hyperparameters = { n_epochs: nEpochs, batch_size: batchSize, learning_rate_multiplier: learningRateMultiplier };
  return {
    object: 'fine_tuning.job',
    id: job.id,
    model: job.model,
    created_at: seconds(job.createdAt),
    finished_at: seconds(job.finishedAt),
    estimated_finish: seconds(job.estimatedFinish),
    fine_tuned_model: job.fineTunedModel ?? null,
    organization_id: 'ai-forge',
    status: statuses[job.status],
    training_file: job.trainingFile,
    validation_file: job.validationFile ?? null,
    result_files: job.resultFiles,
    hyperparameters,
    method: { type: 'supervised', supervised: { hyperparameters } },
    trained_tokens: job.trainedTokens === undefined ? null : Number(job.trainedTokens),
    error: job.error === undefined ? null : { code: job.error.code, message: job.error.message, param: job.error.param ?? null },
    seed: Number(job.seed),
    user_provided_suffix: job.suffix ?? null,
    metadata: Object.keys(job.metadata).length === 0 ? null : job.metadata,
    integrations: [],
  };
}

/** OpenAI's `fine_tuning.job.event`. */
export function eventObject(init: MessageInitShape<typeof FineTuningEventSchema>) {
  const event: FineTuningEvent = create(FineTuningEventSchema, init);
  return { object: 'fine_tuning.job.event', id: event.id, created_at: seconds(event.createdAt), level: event.level, message: event.message, type: event.type, data: event.data ?? {} };
}

/**
 * OpenAI's `fine_tuning.job.checkpoint`. Checkpoints are kept to go on from and are not served, so none has a model's name.
 */
export function checkpointObject(jobId: string, init: MessageInitShape<typeof FineTuningCheckpointSchema>) {
  const checkpoint: FineTuningCheckpoint = create(FineTuningCheckpointSchema, init);
  const step = Number(checkpoint.stepNumber);
  const { trainLoss, fullValidLoss } = checkpoint;
  return {
    object: 'fine_tuning.job.checkpoint',
    id: checkpoint.id,
    created_at: seconds(checkpoint.createdAt),
    fine_tuned_model_checkpoint: '',
    fine_tuning_job_id: jobId,
    metrics: { step, ...(trainLoss === undefined ? {} : { train_loss: trainLoss }), ...(fullValidLoss === undefined ? {} : { full_valid_loss: fullValidLoss }) },
    step_number: step,
  };
}

/** Unix seconds, as OpenAI has times. */
function seconds(time: FineTuningJob['createdAt']): number | null {
  return time === undefined ? null : Math.floor(timestampMs(time) / 1000);
}
