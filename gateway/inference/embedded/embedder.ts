import type { LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp';
import { ContextOverflow } from './context-overflow.ts';
import { throwIfGone } from './gone.ts';
import { Slots } from './slots.ts';

export interface Embedding {
  /** Of length 1. */
  vector: Float32Array;
  /** Read by the model, with the marks that it puts around a text. */
  tokens: number;
}

/**
 * Embeddings of a model, one text at a time: as its GGUF says how to pool, else the last token's state, as Ollama does.
 * Its context is made with the first text.
 */
export class Embedder {
  private readonly model: LlamaModel;
  private readonly shape: { contextSize: number; batchSize: number; threads?: number };
  private readonly turn: Slots<true>;
  private context: LlamaEmbeddingContext | undefined;

  constructor(model: LlamaModel, shape: { contextSize: number; batchSize: number; threads?: number }, queueLimit: number) {
    this.model = model;
    this.shape = shape;
    this.turn = new Slots<true>([true], queueLimit);
  }

  /** Embeds texts in their order. @throws ForgeError rate_limited, cancelled, ContextOverflow */
  embed(texts: readonly Token[][], signal: AbortSignal): Promise<Embedding[]> {
    return this.turn.lend(signal, async () => {
      const context = await this.ready();
      const lengths = texts.map((text) => context.calculateInputLength([...text]));
      const most = this.shape.contextSize - 1;
      const longest = lengths.find((length) => length > most);
      if (longest !== undefined) throw new ContextOverflow('input', longest, this.shape.contextSize, most);
      // Without its context, llama.cpp stops before the next piece.
      const leave = () => void context.dispose();
      signal.addEventListener('abort', leave, { once: true });
      try {
        const embeddings: Embedding[] = [];
        for (const [i, text] of texts.entries()) {
          throwIfGone(signal);
          embeddings.push({ vector: normalized((await context.getEmbeddingFor([...text])).vector), tokens: lengths[i]! });
        }
        return embeddings;
      } catch (error) {
        throwIfGone(signal);
        throw error;
      } finally {
        signal.removeEventListener('abort', leave);
      }
    });
  }

  private async ready(): Promise<LlamaEmbeddingContext> {
    if (this.context !== undefined && !this.context.disposed) return this.context;
    this.context = await this.model.createEmbeddingContext(this.shape);
    return this.context;
  }
}

/** Scaled to a Euclidean length of 1, so that a dot product is the cosine, as OpenAI's and Ollama's are. */
function normalized(vector: readonly number[]): Float32Array {
  const length = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => (length === 0 ? 0 : value / length));
}
