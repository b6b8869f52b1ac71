import type { Token } from 'node-llama-cpp';
import { invalid } from '../../../core/errors.ts';

/** One text, or the ids of a tokenizer for it. */
export type TextInput = string | readonly number[];

/** Reads OpenAI's four forms: a text, texts, token ids, lists of token ids. @throws ForgeError invalid_argument */
export function readTextInputs(field: string, value: unknown, most: number): TextInput[] {
  const inputs = typeof value === 'string' || isTokenIds(value) ? [value] : value;
  const right = Array.isArray(inputs) && inputs.length > 0 && (inputs.every((one) => typeof one === 'string') || inputs.every(isTokenIds));
  if (!right) throw invalid(field, value === undefined ? 'is required' : 'must be a text, a list of texts, a list of token ids, or a list of such lists, and not empty');
  if (inputs.length > most) throw invalid(field, `must be at most ${most} texts; send the rest in another request`);
  return inputs as TextInput[];
}

function isTokenIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((id) => Number.isInteger(id) && id >= 0);
}

/** What a model's tokenizer is needed for here. */
export interface Vocabulary {
  readonly vocabularySize: number;
  tokenize(text: string, specialTokens: boolean): Token[];
}

/** Marks such as `<|im_start|>` in a text count as such: it is the caller's own prompt. @throws ForgeError invalid_argument */
export function inputTokens(field: string, input: TextInput, vocabulary: Vocabulary): Token[] {
  if (typeof input === 'string') return vocabulary.tokenize(input, true);
  const unknown = input.find((id) => id >= vocabulary.vocabularySize);
  if (unknown !== undefined) throw invalid(field, `${unknown} is no token of this model, which has ${vocabulary.vocabularySize}; give ids of its own tokenizer, or a text`);
  return [...input] as Token[];
}
