import { create } from '@bufbuild/protobuf';
import { ForgeError, invalid } from '../errors.ts';
import type { CreateFineTuneRequest } from '../gen/aiforge/v1/job_pb.ts';
import { HyperparametersSchema, Quantization, type Hyperparameters } from '../gen/aiforge/v1/task_pb.ts';
import { defaults } from './defaults.ts';

/** GGUF file types that can be asked for: llama.cpp's names. */
export const ggufQuantizations = ['F32', 'F16', 'BF16', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q5_K_S', 'Q5_0', 'Q5_1', 'Q4_K_M', 'Q4_K_S', 'Q4_0', 'Q4_1', 'Q3_K_L', 'Q3_K_M', 'Q3_K_S', 'Q2_K'] as const;

/**
 * Fills in the defaults and checks every value; all problems in one error.
 * @throws ForgeError invalid_argument
 */
export function hyperparametersOf(request: CreateFineTuneRequest): Hyperparameters {
  const problems: ForgeError[] = [];
  const within = (field: string, value: number, min: number, max: number): number => {
    if (!(value >= min && value <= max)) problems.push(invalid(field, `must be from ${min} to ${max}, not ${value}`));
    return value;
  };
  const rank = within('rank', request.rank ?? defaults.rank, 1, 1024);
  const learningRate = request.learningRate ?? defaults.learningRate;
  if (!(learningRate > 0 && learningRate <= 1)) problems.push(invalid('learning_rate', `must be above 0 and at most 1, not ${learningRate}`));
  const loraDropout = request.loraDropout ?? defaults.loraDropout;
  if (!(loraDropout >= 0 && loraDropout < 1)) problems.push(invalid('lora_dropout', `must be at least 0 and below 1, not ${loraDropout}`));
  const loraAlpha = request.loraAlpha ?? rank;
  // Where it follows from a wrong rank, the rank alone is to blame.
  if (request.loraAlpha !== undefined && !(loraAlpha > 0 && loraAlpha <= 65_536)) problems.push(invalid('lora_alpha', `must be above 0 and at most 65536, not ${loraAlpha}`));
  if (request.targetModules.length > 64) problems.push(invalid('target_modules', 'at most 64 names'));
  for (const name of request.targetModules) {
    if (!/^[A-Za-z_][A-Za-z0-9_.]{0,127}$/.test(name)) problems.push(invalid('target_modules', `"${name.slice(0, 40)}" is no module name, such as q_proj`));
  }
  const optional = (field: string, value: number | undefined, max: number): number | undefined => (value === undefined ? undefined : within(field, value, 1, max));
  const hyperparameters = create(HyperparametersSchema, {
    epochs: within('epochs', request.epochs ?? defaults.epochs, 1, 1000),
    learningRate,
    rank,
    usePissa: request.usePissa ?? defaults.usePissa,
    seed: request.seed ?? defaults.seed,
    maxSteps: optional('max_steps', request.maxSteps, 10_000_000),
    maxSeqLength: within('max_seq_length', request.maxSeqLength ?? defaults.maxSeqLength, 16, 131_072),
    batchSize: within('batch_size', request.batchSize ?? defaults.batchSize, 1, 1024),
    gradientAccumulation: within('gradient_accumulation', request.gradientAccumulation ?? defaults.gradientAccumulation, 1, 4096),
    loraAlpha,
    loraDropout,
    targetModules: request.targetModules,
    quantization: request.quantization ?? defaults.quantization,
    checkpointEverySteps: optional('checkpoint_every_steps', request.checkpointEverySteps, 10_000_000),
    earlyStoppingPatience: optional('early_stopping_patience', request.earlyStoppingPatience, 1000),
  });
  // NumPy's and PyTorch's seeds share 32 bits.
  if (hyperparameters.seed > 0xffff_ffffn) problems.push(invalid('seed', 'must be from 0 to 4294967295'));
  if (hyperparameters.quantization === Quantization.QUANTIZATION_UNSPECIFIED) problems.push(invalid('quantization', 'must be none, 8bit or 4bit'));
  if (problems.length === 1) throw problems[0]!;
  if (problems.length > 1) throw new ForgeError('invalid_argument', problems.map((problem) => problem.message).join('; '), { field: problems[0]!.field, cause: new AggregateError(problems) });
  return hyperparameters;
}

/** @throws ForgeError invalid_argument */
export function ggufQuantizationOf(request: CreateFineTuneRequest): string {
  const wanted = (request.ggufQuantization ?? defaults.ggufQuantization).toUpperCase();
  if (!(ggufQuantizations as readonly string[]).includes(wanted)) throw invalid('gguf_quantization', `must be one of ${ggufQuantizations.join(', ')}`);
  return wanted;
}
