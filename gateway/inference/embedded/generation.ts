import type { LlamaContextSequence, LlamaGrammar, Token } from 'node-llama-cpp';
import { ContextOverflow } from './context-overflow.ts';
import type { LoadedModel } from './loaded-model.ts';
import { readPrompt } from './prompt-reading.ts';
import type { Sampling } from './sampling.ts';
import { scoredTokens } from './scored-tokens.ts';
import { sampledTokens } from './sampled-tokens.ts';
import { throwIfGone } from './gone.ts';
import { StopStrings } from './stop-strings.ts';
import type { TokenScore } from './token-score.ts';
import { ScoredText } from './token-score.ts';
import { TokenText } from './token-text.ts';

/** What is to be generated, and from what. */
export interface Generation {
  prompt: Token[];
  sampling: Sampling;
  /** Undefined: as long as the context lasts. */
  maxTokens: number | undefined;
  /** What the text has to follow. */
  grammar?: LlamaGrammar | undefined;
  /** How many of the likeliest tokens to tell of each place; undefined: no scores. */
  scores?: number | undefined;
}

/** Some text, and the scores, where asked for, of the tokens that end in it. */
export interface Piece {
  text: string;
  scores: TokenScore[];
}

export interface GenerationEnd {
  finishReason: 'stop' | 'length';
  completionTokens: number;
}

/** A token with the likeliest ones at its place. */
export interface NextToken {
  token: Token;
  logprob?: number;
  likeliest?: readonly (readonly [Token, number])[];
}

/** By which node-llama-cpp's grammars end a JSON text: white space that it never has inside. */
const jsonEnd = '\n\n\n\n';

/** @param field what makes the prompt. @throws ContextOverflow when it leaves no room for an answer */
export function checkRoom(loaded: LoadedModel, field: string, prompt: readonly Token[]): void {
  if (prompt.length >= loaded.contextTokens) throw new ContextOverflow(field, prompt.length, loaded.contextTokens, loaded.contextTokens - 1);
}

/** Generates text from a prompt's tokens. Stops between two tokens when `signal` aborts, and says so by throwing. */
export async function* generate(loaded: LoadedModel, sequence: LlamaContextSequence, wanted: Generation, signal: AbortSignal): AsyncGenerator<Piece, GenerationEnd> {
  const { prompt, sampling } = wanted;
  const text = new TokenText(loaded.model, prompt);
  const scored = new ScoredText(loaded.model, prompt);
  const stops = new StopStrings([...sampling.stop, ...loaded.stopTexts, ...(wanted.grammar === undefined ? [] : [jsonEnd])]);
  const room = loaded.contextTokens - prompt.length;
  const most = Math.min(wanted.maxTokens ?? room, room);
  const generated: Token[] = [];
  if (most === 0) return { finishReason: 'length', completionTokens: 0 };
  await readPrompt(loaded.pace, sequence, prompt, signal);

  const next = wanted.scores === undefined ? sampledTokens(loaded, sequence, wanted, generated) : scoredTokens(loaded, sequence, wanted, wanted.scores, generated);
  let finishReason: GenerationEnd['finishReason'] = 'stop';
  for await (const found of next) {
    throwIfGone(signal);
    if (loaded.stopTokens.has(found.token)) break;
    generated.push(found.token);
    const whole = text.push(found.token);
    scored.push(found, whole);
    const piece = stops.push(whole);
    if (piece !== '') yield { text: piece, scores: scored.shown(piece) };
    if (stops.hit) break;
    if (generated.length >= most) {
      finishReason = 'length';
      break;
    }
  }
  throwIfGone(signal);
  const rest = stops.push(text.end()) + stops.end();
  const scores = stops.hit ? scored.shown(rest) : scored.all();
  if (rest !== '' || scores.length > 0) yield { text: rest, scores };
  return { finishReason, completionTokens: generated.length };
}
