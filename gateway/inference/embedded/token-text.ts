import type { LlamaModel, Token } from 'node-llama-cpp';

/** A UTF-8 character is at most four byte tokens; more that stay unreadable are not text. */
const longestCharacter = 4;
const contextTokens = 8;

/** Turns tokens into text as they come, holding back characters that are not whole yet. */
export class TokenText {
  private readonly model: LlamaModel;
  private before: Token[];
  private pending: Token[] = [];

  /** @param prompt decides whether the first token's leading space is text */
  constructor(model: LlamaModel, prompt: readonly Token[]) {
    this.model = model;
    this.before = prompt.slice(-contextTokens);
  }

  push(token: Token): string {
    this.pending.push(token);
    const text = this.model.detokenize(this.pending, false, this.before);
    if (text.endsWith('\ufffd') && this.pending.length < longestCharacter) return '';
    this.settle();
    return text;
  }

  end(): string {
    const text = this.pending.length === 0 ? '' : this.model.detokenize(this.pending, false, this.before);
    this.settle();
    return text;
  }

  private settle(): void {
    this.before = [...this.before, ...this.pending].slice(-contextTokens);
    this.pending = [];
  }
}
