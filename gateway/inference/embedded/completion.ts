import type { LlamaContextSequence, Token } from 'node-llama-cpp';
import { ForgeError } from '../../../core/errors.ts';
import type { LoadedModel } from './loaded-model.ts';
import { StopStrings } from './stop-strings.ts';
import { TokenText } from './token-text.ts';

/** Sampling as OpenAI names it; defaults as Ollama's OpenAI route has them. */
export interface Sampling {
  temperature: number;
  topP: number;
  /** Undefined: another one each time. */
  seed: number | undefined;
  frequencyPenalty: number;
  presencePenalty: number;
  /** Undefined: as long as the context lasts. */
  maxTokens: number | undefined;
  stop: readonly string[];
}

export interface CompletionEnd {
  finishReason: 'stop' | 'length';
  completionTokens: number;
}

/** A prompt is read in pieces, so that a client that goes away is noticed while a long one is read. */
const promptPiece = 128;
const topK = 40;

/** @throws ForgeError invalid_argument when the prompt leaves no room for an answer */
export function checkRoom(loaded: LoadedModel, prompt: readonly Token[]): void {
  if (prompt.length >= loaded.contextTokens) throw new ForgeError('invalid_argument', `messages: they make ${prompt.length} tokens, and the context holds ${loaded.contextTokens}; send less`, { field: 'messages' });
}

/** Generates text from a prompt's tokens. Stops between two tokens when `signal` aborts, and says so by throwing. */
export async function* complete(loaded: LoadedModel, sequence: LlamaContextSequence, prompt: Token[], sampling: Sampling, signal: AbortSignal): AsyncGenerator<string, CompletionEnd> {
  const text = new TokenText(loaded.model, prompt);
  const stops = new StopStrings([...sampling.stop, ...loaded.stopTexts]);
  const room = loaded.contextTokens - prompt.length;
  const most = Math.min(sampling.maxTokens ?? room, room);
  const generated: Token[] = [];
  await readPrompt(sequence, prompt, signal);

  const options = {
    temperature: sampling.temperature,
    topP: sampling.topP,
    topK,
    minP: 0,
    ...(sampling.seed === undefined ? { seed: Math.floor(Math.random() * 2 ** 32) } : { seed: sampling.seed }),
    ...(sampling.frequencyPenalty === 0 && sampling.presencePenalty === 0
      ? {}
      : { repeatPenalty: { punishTokens: () => generated, penalty: 1, frequencyPenalty: sampling.frequencyPenalty, presencePenalty: sampling.presencePenalty } }),
  };
  let finishReason: CompletionEnd['finishReason'] = 'stop';
  for await (const token of sequence.evaluate(prompt.slice(sequence.nextTokenIndex), options)) {
    throwIfGone(signal);
    if (loaded.stopTokens.has(token)) break;
    generated.push(token);
    const piece = stops.push(text.push(token));
    if (piece !== '') yield piece;
    if (stops.hit) break;
    if (generated.length >= most) {
      finishReason = 'length';
      break;
    }
  }
  throwIfGone(signal);
  const rest = stops.push(text.end()) + stops.end();
  if (rest !== '') yield rest;
  return { finishReason, completionTokens: generated.length };
}

/** Reads all but the prompt's last piece; what the sequence still holds of the same beginning is used again. */
async function readPrompt(sequence: LlamaContextSequence, prompt: Token[], signal: AbortSignal): Promise<void> {
  const same = Math.min(sequence.compareContextTokens(prompt).firstDifferentIndex, prompt.length - 1);
  await sequence.adaptStateToTokens(prompt.slice(0, same), false);
  while (prompt.length - sequence.nextTokenIndex > promptPiece) {
    throwIfGone(signal);
    await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(sequence.nextTokenIndex, sequence.nextTokenIndex + promptPiece));
  }
}

function throwIfGone(signal: AbortSignal): void {
  if (signal.aborted) throw new ForgeError('cancelled', 'The request was given up');
}
