import { invalid } from '../../core/errors.ts';
import { checkInteger, readNumber, checkText, parseHead, type RequestHead } from './request-fields.ts';

/**
 * Checks a request for a response (https://platform.openai.com/docs/api-reference/responses/create).
 * @throws ForgeError invalid_argument, naming the field
 */
export function parseResponsesRequest(body: Uint8Array): RequestHead {
  const head = parseHead(body);
  const { fields } = head;
  const input = fields['input'] ?? undefined;
  if (input !== undefined && typeof input !== 'string' && !Array.isArray(input)) throw invalid('input', 'must be a text or a list of items');
  checkText(fields, 'instructions');
  checkInteger(fields, 'max_output_tokens', 1);
  readNumber(fields, 'temperature', 0, 2);
  readNumber(fields, 'top_p', 0, 1);
  return head;
}
