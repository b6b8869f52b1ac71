import { Quantization } from '../gen/aiforge/v1/task_pb.ts';

/** What a request need not say: the API reference's example, and what goes with it. */
export const defaults = Object.freeze({
  baseModel: 'unsloth/Llama-3.2-3B-Instruct',
  epochs: 3,
  learningRate: 2e-4,
  rank: 64,
  usePissa: true,
  seed: 0n,
  maxSeqLength: 1024,
  batchSize: 1,
  gradientAccumulation: 8,
  loraDropout: 0,
  quantization: Quantization.QUANTIZATION_NONE,
  ggufQuantization: 'Q4_K_M',
});

/** Attempts in a row that may end without progress before a task fails. */
export const maxAttempts = 5;
