import { create } from '@bufbuild/protobuf';
import type { CreateFineTuneRequest } from '../gen/aiforge/v1/job_pb.ts';
import { TrainSpecSchema, type TrainSpec } from '../gen/aiforge/v1/task_pb.ts';
import { invalid, isForgeError, ForgeError } from '../errors.ts';
import { defaults } from './defaults.ts';
import { ggufQuantizationOf, hyperparametersOf } from './hyperparameters.ts';
import { placementOf } from './placement.ts';
import { checkBaseModel, checkRevision } from './names.ts';

/**
 * How to train, as a request says it, with the defaults filled in; where the rows come from is left open.
 * @throws ForgeError invalid_argument
 */
export function trainSpecOf(request: CreateFineTuneRequest): TrainSpec {
  const placement = placementOf(request);
  return create(TrainSpecSchema, {
    baseModel: checkBaseModel(request.baseModel ?? defaults.baseModel),
    revision: checkRevision(request.revision ?? ''),
    hyperparameters: hyperparametersOf(request),
    ggufQuantization: ggufQuantizationOf(request),
    ...(placement === undefined ? {} : { placement }),
  });
}

/**
 * The same where it stands inside another request, which itself names project and source.
 * @param field what holds it
 * @throws ForgeError invalid_argument
 */
export function nestedTrainSpec(request: CreateFineTuneRequest, field: string): TrainSpec {
  const fields = [['project_name', request.projectName || undefined], ['project_path', request.projectPath], ['training_file', request.trainingFile]] as const;
  for (const [name, value] of fields) if (value !== undefined) throw invalid(`${field}.${name}`, 'does not belong here: the request names project and source itself');
  try {
    return trainSpecOf(request);
  } catch (error) {
    if (!isForgeError(error) || error.field === undefined) throw error;
    const problems: Error[] = error.cause instanceof AggregateError ? error.cause.errors : [error];
    throw new ForgeError(error.code, problems.map(({ message }) => `${field}.${message}`).join('; '), { field: `${field}.${error.field}`, cause: error });
  }
}
