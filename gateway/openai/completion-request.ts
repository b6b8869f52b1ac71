import { invalid } from '../../core/errors.ts';
import { checkInteger, checkSampling, checkText, isTokenIds, parseHead, type RequestHead } from './request-fields.ts';

/**
 * Checks a request for text that goes on (https://platform.openai.com/docs/api-reference/completions/create).
 * @throws ForgeError invalid_argument, naming the field
 */
export function parseCompletionRequest(body: Uint8Array): RequestHead {
  const head = parseHead(body);
  const { fields } = head;
  checkPrompt(fields['prompt']);
  checkText(fields, 'suffix');
  checkInteger(fields, 'max_tokens', 0);
  checkSampling(fields);
  return head;
}

function checkPrompt(prompt: unknown): void {
  if (typeof prompt === 'string' || isTokenIds(prompt)) return;
  if (Array.isArray(prompt) && prompt.length > 0 && (prompt.every((text) => typeof text === 'string') || prompt.every(isTokenIds))) return;
  throw invalid('prompt', prompt === undefined ? 'is required: a text' : 'must be a text, a list of texts, a list of token ids, or a list of such lists');
}
