import type { LlamaModel, Token } from 'node-llama-cpp';
import type { NextToken } from './generation.ts';

/** How likely a token was, and which were the likeliest at its place. */
export interface TokenScore {
  text: string;
  /** Natural logarithm of the probability. */
  logprob: number;
  likeliest: { text: string; logprob: number }[];
  /** Where the token begins in the generated text, in UTF-16 units. */
  start: number;
}

const contextTokens = 8;

/** Holds scores back until the text of their tokens is shown: what a stop string cuts off has none. */
export class ScoredText {
  private readonly model: LlamaModel;
  private before: Token[];
  private held: TokenScore[] = [];
  private written = 0;
  private shownLength = 0;

  constructor(model: LlamaModel, prompt: readonly Token[]) {
    this.model = model;
    this.before = prompt.slice(-contextTokens);
  }

  /** @param text what the token made whole */
  push(next: NextToken, text: string): void {
    if (next.logprob !== undefined) {
      const textOf = (token: Token) => this.model.detokenize([token], true, this.before);
      this.held.push({ text: textOf(next.token), logprob: next.logprob, likeliest: (next.likeliest ?? []).map(([token, logprob]) => ({ text: textOf(token), logprob })), start: this.written });
    }
    this.before = [...this.before, next.token].slice(-contextTokens);
    this.written += text.length;
  }

  /** @param text shown now @returns scores of the tokens that begin in what is shown by now */
  shown(text: string): TokenScore[] {
    this.shownLength += text.length;
    return this.take(this.held.filter(({ start }) => start < this.shownLength).length);
  }

  all(): TokenScore[] {
    return this.take(this.held.length);
  }

  private take(count: number): TokenScore[] {
    return this.held.splice(0, count);
  }
}

/** The UTF-8 bytes of a token's text; null where it is only a part of a character. */
export function bytesOf(text: string): number[] | null {
  return text.includes('\ufffd') ? null : [...Buffer.from(text)];
}
