import type { LlamaContextSequence, Token } from 'node-llama-cpp';
import { throwIfGone } from './gone.ts';

/** A piece is let take about this long: what a client that goes away waits for at most. */
const pieceMs = 250;
const smallestPiece = 8;
/** llama.cpp's own batch. */
const largestPiece = 512;

/** How many tokens of a prompt to read at once: as many as this machine reads of this model in a quarter of a second. */
export class Pace {
  tokens = 32;

  /** @param tookMs of a piece of `tokens` */
  saw(tookMs: number): void {
    if (tookMs > pieceMs * 2) this.tokens = Math.max(smallestPiece, this.tokens >> 1);
    else if (tookMs < pieceMs) this.tokens = Math.min(largestPiece, this.tokens << 1);
  }
}

/**
 * Reads all but the prompt's last piece; what the sequence still holds of the same beginning is used again.
 * Between two pieces others get their turn, and a client that has gone away is noticed.
 * @throws ForgeError cancelled
 */
export async function readPrompt(pace: Pace, sequence: LlamaContextSequence, prompt: Token[], signal: AbortSignal): Promise<void> {
  const same = Math.min(sequence.compareContextTokens(prompt).firstDifferentIndex, prompt.length - 1);
  await sequence.adaptStateToTokens(prompt.slice(0, same), false);
  while (prompt.length - sequence.nextTokenIndex > pace.tokens) {
    throwIfGone(signal);
    const since = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(sequence.nextTokenIndex, sequence.nextTokenIndex + pace.tokens));
    pace.saw(performance.now() - since);
  }
}
