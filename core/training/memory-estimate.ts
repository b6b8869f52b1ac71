import { Quantization, type Hyperparameters, type LinearShape, type ModelShape } from '../gen/aiforge/v1/task_pb.ts';

/** What trains: a GPU in bfloat16 with gradient checkpointing, or a host's CPU in float32 without. */
export type Trainer = 'gpu' | 'cpu';

/** All in bytes; `total` is the most that is held at once. */
export interface MemoryParts {
  weights: number;
  adapter: number;
  activations: number;
  loss: number;
  runtime: number;
  total: number;
}

const mib = 2 ** 20;
const float32 = 4;

/** nf4 with double quantization takes 4.127 bits a weight (https://arxiv.org/abs/2305.14314, section 3). */
const bytesAWeight = { '4bit': 4.127 / 8, '8bit': 1, none: { gpu: 2, cpu: float32 } } as const;

/**
 * Of an adapter's parameter: itself, its gradient, and AdamW's two moments, all in float32
 * (https://arxiv.org/abs/1910.02054, section 3.1; PEFT holds adapters in float32 whatever the base is held in).
 */
const trainedBytes = 4 * float32;
/** Beside it, in the host's memory: the first A and B that PiSSA keeps, and a checkpoint that is being written. */
const heldOnHostBytes = 8 * float32;

/**
 * CUDA's context with its kernels and libraries' workspaces, about 1 GiB
 * (https://huggingface.co/docs/transformers/model_memory_anatomy); Python with torch and transformers, as measured here.
 */
const runtimeBytes = { gpu: 1_024 * mib, cpu: 900 * mib } as const;

/** TRL's fused head: so many tokens by so many of the vocabulary at once (trl/kernels/chunked_logprob.py). */
const headTokens = 4_096;
const headColumns = 32_768;
/** Tiles of float32 that its backward pass holds: one by its Triton kernel, written in place; more by plain torch. */
const headTiles = { gpu: 1, cpu: 7 } as const;
/** What the held-out evaluation allows its batches of logits, as float32 (forge_trainer/heldout.py). */
const evaluationBytes = 512 * mib;
/** Logits as the model gives them, as float32, and their log-softmax. */
const evaluationCopies = 3;

/**
 * Beside what is kept, gradients of activations and temporaries of the layer that is at work. On a CPU as measured here
 * (docs/fine-tuning.md); on a GPU the one layer that has all its activations has their gradients too.
 */
const backwardShare = { gpu: 2, cpu: 1.4 } as const;

/** The allocator's rounding and fragments. */
const slack = 1.1;

/**
 * The most memory that fine-tuning takes at once. Loading, where PiSSA decomposes each matrix at full precision, may take
 * more than training does: the larger of the two. Never less for a higher rank, micro-batch or sequence length.
 *
 * Activations by what each layer keeps for its backward pass, after https://arxiv.org/abs/2205.05198 (section 4.1), but
 * counted from the model's own matrices: the input and output of each, the adapter's in between, and what norms,
 * residuals and products add. With gradient checkpointing (there: "full recomputation") each layer keeps its input
 * alone, and one layer at a time has the rest. Attention is fused, and keeps no score matrix.
 * @returns bytes; undefined for what can't run there: few bits need CUDA
 */
export function memoryParts(shape: ModelShape, set: Hyperparameters, trainer: Trainer): MemoryParts | undefined {
  const bits = set.quantization === Quantization.QUANTIZATION_4BIT ? '4bit' : set.quantization === Quantization.QUANTIZATION_8BIT ? '8bit' : 'none';
  if (bits !== 'none' && trainer === 'cpu') return undefined;
  const tokens = set.batchSize * set.maxSeqLength;
  const full = bytesAWeight.none[trainer];
  const parameters = Number(shape.parameters);
  const adapted = shape.linears.filter(({ name }) => set.targetModules.length === 0 || set.targetModules.some((target) => target === name || target.endsWith(`.${name}`)));

  const adapterParameters = sum(adapted, (linear) => rankOf(linear, set.rank) * (linear.inFeatures + linear.outFeatures));
  const adapter = adapterParameters * (trainedBytes + (trainer === 'cpu' ? heldOnHostBytes : 0));

  const quantized = bits === 'none' ? 0 : sum(shape.linears, ({ inFeatures, outFeatures }) => inFeatures * outFeatures);
  const weights = bits === 'none' ? parameters * full : quantized * bytesAWeight[bits] + (parameters - quantized) * float32;

  const layerElements = sum(shape.linears, ({ inFeatures, outFeatures }) => inFeatures + outFeatures) + sum(adapted, (linear) => rankOf(linear, set.rank)) + shape.layers * 6 * shape.hiddenSize;
  // An input that is cast for a float32 adapter is there a second time.
  const elementBytes = trainer === 'gpu' ? full + float32 : full;
  const kept = trainer === 'gpu' ? shape.layers * shape.hiddenSize * full + (layerElements / shape.layers) * elementBytes * backwardShare.gpu : layerElements * elementBytes * backwardShare.cpu;
  const activations = tokens * kept;

  const trainingLoss = Math.min(tokens, headTokens) * Math.min(shape.vocabulary, headColumns) * float32 * headTiles[trainer] + 2 * tokens * shape.hiddenSize * float32;
  const row = set.maxSeqLength * shape.vocabulary * float32;
  const evaluation = evaluationCopies * Math.max(row, Math.min(row * set.batchSize, evaluationBytes));

  const training = weights + adapter + Math.max(activations + trainingLoss, evaluation);
  const largest = Math.max(...shape.linears.map(({ inFeatures, outFeatures }) => inFeatures * outFeatures));
  const loading = parameters * full + (set.usePissa ? adapter + 3 * largest * float32 : 0);
  const runtime = runtimeBytes[trainer];
  const loadsWhole = bits === 'none' || set.usePissa;
  return { weights, adapter, activations, loss: Math.max(trainingLoss, evaluation), runtime, total: Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(Math.max(training, loadsWhole ? loading : 0) * slack + runtime)) };
}

/** @returns bytes; undefined for what can't run there */
export function estimateMemory(shape: ModelShape, set: Hyperparameters, trainer: Trainer): number | undefined {
  return memoryParts(shape, set, trainer)?.total;
}

/** A matrix has no more directions than its shorter side. */
function rankOf({ inFeatures, outFeatures }: LinearShape, rank: number): number {
  return Math.min(rank, inFeatures, outFeatures);
}

function sum(linears: readonly LinearShape[], of: (linear: LinearShape) => number): number {
  return linears.reduce((total, linear) => total + of(linear) * linear.count, 0);
}
