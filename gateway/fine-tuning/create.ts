import { create, toJsonString } from '@bufbuild/protobuf';
import { ForgeError, invalid, isForgeError } from '../../core/errors.ts';
import { CreateFineTuningJobRequestSchema, type CreateFineTuningJobRequest } from '../../core/gen/aiforge/v1/fine_tuning_pb.ts';
import { CreateFineTuneRequestSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import { ExtractSpecSchema, FineTuningRequestSchema, TaskSpecSchema, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { defaults } from '../../core/training/defaults.ts';
import { minRows } from '../../core/training-file/limits.ts';
import { checkProjectName } from '../../core/training/names.ts';
import { trainSpecOf } from '../../core/training/train-spec.ts';
import { findTrainingFile } from '../files/service.ts';
import { withBaseShape } from '../jobs/base-shape.ts';
import { createJob, repeatedJob } from '../jobs/create-job.ts';
import { keyHash } from '../jobs/submit.ts';
import type { CallContext } from '../method.ts';
import type { FineTuningDeps } from './deps.ts';
import { checkMetadata } from './metadata.ts';

/** Names of models that nobody but their maker has. */
const hostedElsewhere = /^(gpt-(3\.5|4|5)|o[134](-|$)|chatgpt-|davinci-002$|babbage-002$)/;

type Deps = Pick<FineTuningDeps, 'ledger' | 'served' | 'runnable' | 'now'>;

/** Queues a job. Nothing is created when anything is wrong. @returns its id. @throws ForgeError */
export async function createFineTuning(deps: Deps, request: CreateFineTuningJobRequest, context: Pick<CallContext, 'idempotencyKey' | 'caller'>): Promise<string> {
  const { ledger, served, now = Date.now } = deps;
  const sha256 = keyHash(context);
  const key = sha256 === undefined ? undefined : { sha256, bodySha256: sha256Hex(toJsonString(CreateFineTuningJobRequestSchema, request)) };
  const repeated = key && (await repeatedJob(ledger, key, now()));
  if (repeated !== undefined) return repeated;

  const model = checkModel(request.model, served);
  const spec = await withBaseShape(specOf(request, model));
  const project = request.suffix === undefined || request.suffix === '' ? projectFor(model) : checkProjectName(request.suffix, 'suffix');
  checkMetadata(request.metadata);
  if (request.trainingFile === '') throw invalid('training_file', 'is required: the id of an uploaded file');
  const validationId = request.validationFile ?? '';
  const training = await findTrainingFile(ledger, request.trainingFile, 'training_file');
  const validation = validationId === '' ? undefined : await findTrainingFile(ledger, validationId, 'validation_file');
  checkRows('training_file', training.rows, validation === undefined ? minRows.train + minRows.heldout : minRows.train);
  if (validation !== undefined) checkRows('validation_file', validation.rows, minRows.heldout);

  await deps.runnable?.(spec, 'model');
  const extract = create(ExtractSpecSchema, {
    commit: `file:${training.digest}`,
    fileDigest: training.digest,
    validationDigest: validation?.digest ?? '',
    seed: spec.hyperparameters!.seed,
    baseModel: spec.baseModel,
    revision: spec.revision,
  });
  const fineTuning = create(FineTuningRequestSchema, {
    trainingFile: request.trainingFile,
    validationFile: validationId,
    suffix: request.suffix ?? '',
    metadata: request.metadata,
    learningRateMultiplier: request.hyperparameters?.learningRateMultiplier,
  });
  const taskSpec = create(TaskSpecSchema, { kind: { case: 'train', value: { ...spec, source: { case: 'extract', value: extract }, fineTuning } } });
  return createJob(deps, { project, spec: taskSpec, actor: 'client' }, key);
}

/** A batch is gathered from single examples, so that its size costs no memory. */
function specOf({ hyperparameters, seed }: CreateFineTuningJobRequest, model: string): TrainSpec {
  const { nEpochs, batchSize, learningRateMultiplier: multiplier } = hyperparameters ?? {};
  const whole = (name: string, value: number | undefined, most: number): void => {
    if (value !== undefined && !(value >= 1 && value <= most)) throw invalid(`hyperparameters.${name}`, `must be from 1 to ${most}, or "auto"`);
  };
  whole('n_epochs', nEpochs, 1000);
  whole('batch_size', batchSize, 4096);
  const most = 1 / defaults.learningRate;
  if (multiplier !== undefined && !(multiplier > 0 && multiplier <= most)) throw invalid('hyperparameters.learning_rate_multiplier', `must be above 0 and at most ${most}, or "auto"`);
  const fineTune = create(CreateFineTuneRequestSchema, {
    baseModel: model,
    epochs: nEpochs,
    seed,
    ...(batchSize === undefined ? {} : { batchSize: 1, gradientAccumulation: batchSize }),
    learningRate: multiplier === undefined ? undefined : defaults.learningRate * multiplier,
  });
  try {
    return trainSpecOf(fineTune);
  } catch (error) {
    if (!isForgeError(error) || error.field !== 'base_model') throw error;
    throw new ForgeError(error.code, error.message.replace('base_model', 'model'), { field: 'model', cause: error });
  }
}

/** @throws ForgeError invalid_argument, not_found */
function checkModel(model: string, served: FineTuningDeps['served']): string {
  if (model === '') throw invalid('model', 'is required: a Hugging Face id, ai-forge/starter, or the absolute path of a local directory');
  if (hostedElsewhere.test(model)) throw new ForgeError('not_found', `model: "${model.slice(0, 100)}" can't be had here; give a Hugging Face id such as ${defaults.baseModel}, or ai-forge/starter`, { field: 'model' });
  if (model.includes(':') && served.has(model)) throw invalid('model', `"${model}" is fine-tuned already, and training does not go on from such a model; give its base model`);
  return model;
}

function checkRows(field: string, rows: number, least: number): void {
  if (rows < least) throw invalid(field, `has ${rows} example${rows === 1 ? '' : 's'}, at least ${least} are needed`);
}

/** The project that a model without a suffix belongs to. */
function projectFor(model: string): string {
  const name = model.split('/').at(-1)!.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 60);
  return `ft-${name}`;
}
