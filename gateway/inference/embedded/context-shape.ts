import type { GgufFileInfo } from 'node-llama-cpp';
import type { LoadLimits } from './loaded-model.ts';

/** A long text is read in pieces, so that a client that goes away is noticed meanwhile. */
const embeddingPieceTokens = 64;

/** Beyond what it was trained on a model has nothing to say. */
export function contextTokens(limits: LoadLimits, trainedTokens: number): number {
  return Math.min(limits.contextTokens, trainedTokens);
}

/** The context in which a model generates. */
export function contextShape(limits: LoadLimits, trainedTokens: number) {
  return { contextSize: contextTokens(limits, trainedTokens), sequences: limits.slots };
}

/** The context in which it embeds. What is pooled over a whole text has to be read at once. */
export function embeddingShape(limits: LoadLimits, trainedTokens: number, file: GgufFileInfo) {
  const contextSize = contextTokens(limits, trainedTokens);
  const { pooling_type: pooling = 0 } = file.architectureMetadata as { pooling_type?: number };
  return { contextSize, batchSize: pooling === 0 ? Math.min(embeddingPieceTokens, contextSize) : contextSize };
}
