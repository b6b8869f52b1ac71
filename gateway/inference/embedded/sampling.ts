import type { Token } from 'node-llama-cpp';
import { invalid } from '../../../core/errors.ts';
import { readNumber, type Fields } from '../../openai/request-fields.ts';
import { readInteger } from './fields.ts';

/** Sampling as OpenAI names it; defaults as Ollama's OpenAI route has them. */
export interface Sampling {
  temperature: number;
  topP: number;
  /** Another one each time, where none was given. */
  seed: number;
  frequencyPenalty: number;
  presencePenalty: number;
  /** Added to the logits. */
  bias: ReadonlyMap<Token, number>;
  stop: readonly string[];
}

/** The likeliest tokens that are chosen among, as llama.cpp and Ollama have it. */
export const topK = 40;
const mostStops = 16;
const mostBiases = 1024;

/** @throws ForgeError invalid_argument */
export function readSampling(fields: Fields): Sampling {
  return {
    temperature: readNumber(fields, 'temperature', 0, 2) ?? 1,
    topP: readNumber(fields, 'top_p', 0, 1) ?? 1,
    seed: (readInteger(fields, 'seed', Number.MIN_SAFE_INTEGER) ?? Math.floor(Math.random() * 2 ** 32)) >>> 0,
    frequencyPenalty: readNumber(fields, 'frequency_penalty', -2, 2) ?? 0,
    presencePenalty: readNumber(fields, 'presence_penalty', -2, 2) ?? 0,
    bias: readBias(fields['logit_bias'] ?? {}),
    stop: readStop(fields['stop'] ?? []),
  };
}

function readBias(value: unknown): Map<Token, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('logit_bias', 'must be an object of token ids and numbers from -100 to 100');
  const entries = Object.entries(value);
  if (entries.length > mostBiases) throw invalid('logit_bias', `must have at most ${mostBiases} tokens`);
  return new Map(
    entries.map(([id, bias]) => {
      if (!/^\d{1,9}$/.test(id)) throw invalid('logit_bias', `"${id.slice(0, 40)}" must be a token id`);
      if (typeof bias !== 'number' || !(bias >= -100 && bias <= 100)) throw invalid('logit_bias', `of token ${id} must be a number from -100 to 100`);
      return [Number(id) as Token, bias];
    }),
  );
}

function readStop(value: unknown): string[] {
  const stop = [value].flat();
  if (stop.length > mostStops || !stop.every((text) => typeof text === 'string')) throw invalid('stop', `must be a string or a list of at most ${mostStops} strings`);
  return stop;
}

/** Each further answer to the same prompt is another one, and the same one each time the seed is given again. */
export function seedOf(sampling: Sampling, answer: number): Sampling {
  return { ...sampling, seed: (sampling.seed + answer) >>> 0 };
}

/** @throws ForgeError invalid_argument for tokens that can't be biased */
export function checkBias(bias: ReadonlyMap<Token, number>, vocabularySize: number, endsText: (token: Token) => boolean): void {
  for (const token of bias.keys()) {
    if (token >= vocabularySize) throw invalid('logit_bias', `${token} is no token of this model, which has ${vocabularySize}`);
    if (endsText(token)) throw invalid('logit_bias', `${token} ends the text, and the embedded engine can't bias that; leave it out`);
  }
}
