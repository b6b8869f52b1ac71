import { create } from '@bufbuild/protobuf';
import { HyperparametersSchema, type Hyperparameters, type TaskSpec } from '../gen/aiforge/v1/task_pb.ts';

/** Examples that are trained on at a time, and how many times they are gathered for one optimizer step. */
export interface MicroBatch {
  batchSize: number;
  gradientAccumulation: number;
}

/** What the trainer takes. */
const maxAccumulation = 4_096;

/**
 * At most half as many examples at a time, gathered as much more often that a step is of as many as before.
 * @returns undefined where there is no such pair
 */
export function halved({ batchSize, gradientAccumulation }: MicroBatch): MicroBatch | undefined {
  const whole = batchSize * gradientAccumulation;
  for (let size = Math.floor(batchSize / 2); size >= 1; size--) {
    if (whole % size === 0) return whole / size <= maxAccumulation ? { batchSize: size, gradientAccumulation: whole / size } : undefined;
  }
  return undefined;
}

/** A training's hyperparameters with the micro-batch that its next attempt takes; undefined for other tasks. */
export function hyperparametersOfTask({ spec, microBatch }: { spec: TaskSpec; microBatch: MicroBatch | undefined }): Hyperparameters | undefined {
  const planned = spec.kind.case === 'train' ? spec.kind.value.hyperparameters : undefined;
  return planned === undefined || microBatch === undefined ? planned : create(HyperparametersSchema, { ...planned, ...microBatch });
}
