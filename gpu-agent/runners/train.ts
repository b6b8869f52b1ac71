import { join } from 'node:path';
import { putTree } from '../../core/blobs/tree.ts';
import { faultPoint } from '../../core/fault.ts';
import { Quantization, type Hyperparameters, type Inputs, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { TaskFailure, type RunnerResult, type TaskRunner } from '../../core/worker/task-runner.ts';
import type { BaseModels } from '../base-model.ts';
import { createCheckpointUpload } from '../checkpoint-upload.ts';
import type { RunnerDeps } from '../deps.ts';
import { fileIn, materialize } from '../inputs.ts';
import { runTrainer } from '../run-trainer.ts';
import { countOf, fieldsOf, need, numberOf, textOf, type TrainerEvent } from '../trainer-events.ts';

/** Fine-tunes an adapter: dataset (and checkpoint) in, adapter tree out, checkpoints on the way. */
export function createTrainRunner(deps: RunnerDeps, baseModels: BaseModels): TaskRunner {
  return async (context) => {
    const { spec, inputs } = context.assignment;
    if (spec?.kind.case !== 'train' || inputs === undefined) throw new TaskFailure('bad_config', 'the task is no training', false);
    const train = spec.kind.value;
    const base = await baseModels.resolve(context);
    if (base === 'stopped') return 'stopped';
    const blobs = deps.blobsFor(context);
    const dataset = await materialize(blobs, inputs.datasetDigest, context.workDir, 'dataset');
    const checkpoint = inputs.checkpointDigest === '' ? null : await materialize(blobs, inputs.checkpointDigest, context.workDir, 'checkpoint');
    const checkpoints = createCheckpointUpload(blobs, context);
    const outcome = await runTrainer(deps, context, {
      command: 'train',
      config: {
        base_model: base.model,
        revision: base.revision,
        train_file: join(dataset, 'train.jsonl'),
        heldout_file: (await fileIn(dataset, 'heldout.jsonl')) ?? null,
        output_dir: join(context.workDir, 'output'),
        resume_from: checkpoint,
        threads: deps.trainer.threads,
        device: context.slot.gpuIndex === undefined ? 'cpu' : 'auto',
        ...hyperparameters(inputs.hyperparameters ?? train.hyperparameters),
        order_batch_size: inputs.plannedBatchSize ?? null,
      },
      onCheckpoint: (event) => checkpoints.add(event),
    }).catch(async (error: unknown) => {
      // What the trainer saved before it died is whole: the next attempt goes on from there.
      if (!context.urgent.aborted) await checkpoints.settled().catch(() => {});
      throw error;
    });
    if (!context.urgent.aborted) {
      // Of a finished training nothing is gone on with: a checkpoint that could not be stored is no loss then.
      await checkpoints.settled().catch((error: unknown) => {
        if (outcome === 'stopped') throw error;
        deps.logger.warn('a checkpoint of a finished training was not stored', { error: String(error) });
      });
    }
    faultPoint('agent.trained');
    return outcome === 'stopped' ? 'stopped' : trainResult(outcome, await putTree(blobs, need(textOf(outcome, 'adapter_dir'), 'adapter_dir')), train, inputs);
  };
}

/** What is not set is left to the trainer's defaults. */
function hyperparameters(set: Hyperparameters | undefined): Record<string, unknown> {
  if (set === undefined) return {};
  const positive = (name: string, value: number): object => (value > 0 ? { [name]: value } : {});
  return {
    ...positive('epochs', set.epochs),
    ...positive('learning_rate', set.learningRate),
    ...positive('rank', set.rank),
    ...positive('max_seq_length', set.maxSeqLength),
    ...positive('batch_size', set.batchSize),
    ...positive('gradient_accumulation', set.gradientAccumulation),
    ...positive('lora_alpha', set.loraAlpha),
    use_pissa: set.usePissa,
    lora_dropout: set.loraDropout,
    seed: Number(set.seed),
    max_steps: set.maxSteps ?? null,
    target_modules: set.targetModules.length === 0 ? null : set.targetModules,
    quantization: quantizationName(set.quantization),
    checkpoint_every_steps: set.checkpointEverySteps ?? null,
    early_stopping_patience: set.earlyStoppingPatience ?? null,
  };
}

function quantizationName(quantization: Quantization): string {
  return quantization === Quantization.QUANTIZATION_8BIT ? '8bit' : quantization === Quantization.QUANTIZATION_4BIT ? '4bit' : 'none';
}

function trainResult(event: TrainerEvent, adapterDigest: string, spec: TrainSpec, inputs: Inputs): RunnerResult {
  const heldout = fieldsOf(event, 'heldout');
  const extract = spec.source.case === 'extract' ? spec.source.value : undefined;
  return {
    kind: {
      case: 'train',
      value: {
        adapterDigest,
        finalLoss: numberOf(event, 'final_loss'),
        heldoutLoss: heldout && numberOf(heldout, 'loss'),
        heldoutPerplexity: heldout && numberOf(heldout, 'perplexity'),
        heldoutTokens: heldout && countOf(heldout, 'tokens'),
        steps: need(countOf(event, 'steps'), 'steps'),
        epochs: need(numberOf(event, 'epochs'), 'epochs'),
        tokensSeen: need(countOf(event, 'tokens_seen'), 'tokens_seen'),
        seconds: need(numberOf(event, 'seconds'), 'seconds'),
        lineage: {
          repository: extract?.repository ?? '',
          commit: extract?.commit ?? '',
          datasetDigest: inputs.datasetDigest,
          baseModel: inputs.baseModel || spec.baseModel,
          // The commit that a branch was at: what follows takes the same, wherever the branch has moved.
          revision: textOf(event, 'base_model_revision') ?? (inputs.revision || spec.revision),
          baseModelDigest: textOf(event, 'base_model_digest') ?? '',
          packageVersions: texts(fieldsOf(event, 'package_versions')),
        },
      },
    },
  };
}

function texts(fields: Readonly<Record<string, unknown>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(fields ?? {}).map(([name, value]) => [name, String(value)]));
}
