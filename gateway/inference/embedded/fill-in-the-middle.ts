import type { LlamaModel, Token } from 'node-llama-cpp';
import { invalid } from '../../../core/errors.ts';

/**
 * The prompt by which a model that was trained for it fills in what is between two texts: prefix, suffix, middle, each
 * after its mark, or suffix and prefix alone where the model has no mark for the middle. The marks are those that the
 * GGUF names (`tokenizer.ggml.fim_pre_token_id` and so on), or that llama.cpp knows by their text.
 * @throws ForgeError invalid_argument when the model has no such marks
 */
export function fillInTheMiddle(model: LlamaModel, beginning: readonly Token[], prefix: readonly Token[], suffix: string): Token[] {
  const marks = model.tokens.infill;
  if (marks.prefix === null || marks.suffix === null) throw invalid('suffix', 'this model has no tokens for filling in the middle; leave it out, or use a model that was trained for that');
  const after = model.tokenize(suffix, false, 'trimLeadingSpace');
  if (marks.middle === null) return [...beginning, marks.suffix, ...after, marks.prefix, ...prefix];
  return [...beginning, marks.prefix, ...prefix, marks.suffix, ...after, marks.middle];
}
