import { invalid } from '../../../core/errors.ts';
import { readFields } from '../../openai/request-fields.ts';
import { readFlag, readInteger } from './fields.ts';
import type { GenerationRequest } from './request.ts';
import { readGeneration } from './request.ts';
import type { TextInput } from './text-input.ts';
import { readTextInputs } from './text-input.ts';
import { refuseUnsupported } from './unsupported.ts';

export interface EmbeddedCompletionRequest extends GenerationRequest {
  prompts: TextInput[];
  /** What comes after the text that is asked for. */
  suffix: string | undefined;
  echo: boolean;
}

/** OpenAI's. */
const usualTokens = 16;
const mostPrompts = 2048;
const mostChoices = 4096;
/** Of all choices of a request together, where there are several: its answer is held in memory until it is whole. */
const mostTokens = 1024 * 1024;
const mostLikeliest = 5;

/** Reads a request for text that goes on; the prompt is given to the model as it is, without its chat template. @throws ForgeError invalid_argument */
export function readCompletionRequest(body: Uint8Array): EmbeddedCompletionRequest {
  const fields = readFields(body);
  refuseUnsupported('completions', fields);
  const suffix = fields['suffix'] ?? undefined;
  if (suffix !== undefined && typeof suffix !== 'string') throw invalid('suffix', 'must be a string');
  const scores = readInteger(fields, 'logprobs', 0, mostLikeliest);
  const echo = readFlag(fields, 'echo');
  if (echo && suffix !== undefined && suffix !== '') throw invalid('echo', 'the embedded engine does not repeat a prompt that has a suffix; leave one of them out');
  if (echo && scores !== undefined) throw invalid('logprobs', 'the embedded engine has none of the prompt; leave out echo or logprobs');
  const request = { ...readGeneration(fields), prompts: readTextInputs('prompt', fields['prompt'] ?? undefined, mostPrompts) };
  const choices = request.prompts.length * request.n;
  if (choices > mostChoices) throw invalid('n', `times the number of prompts must be at most ${mostChoices}; send several requests`);
  const maxTokens = readInteger(fields, 'max_tokens', 0) ?? usualTokens;
  if (choices > 1 && choices * maxTokens > mostTokens) throw invalid('max_tokens', `times the number of answers must be at most ${mostTokens}; send several requests`);
  return {
    ...request,
    maxTokens,
    scores,
    // OpenAI's clients send an empty one where there is none.
    suffix: suffix === '' ? undefined : suffix,
    echo,
  };
}
