import { invalid } from '../../core/errors.ts';
import { checkInteger, isTokenIds, parseHead, type RequestHead } from './request-fields.ts';

/** As many as OpenAI takes in one request. */
const mostInputs = 2048;

/**
 * Checks a request for embeddings (https://platform.openai.com/docs/api-reference/embeddings/create).
 * @throws ForgeError invalid_argument, naming the field
 */
export function parseEmbeddingRequest(body: Uint8Array): RequestHead {
  const head = parseHead(body);
  const { fields } = head;
  checkInput(fields['input']);
  checkInteger(fields, 'dimensions', 1);
  const format = fields['encoding_format'] ?? undefined;
  if (format !== undefined && format !== 'float' && format !== 'base64') throw invalid('encoding_format', 'must be "float" or "base64"');
  if (head.stream) throw invalid('stream', 'embeddings come whole; leave it out');
  return head;
}

function checkInput(input: unknown): void {
  if (input === undefined) throw invalid('input', 'is required: a text, or a list of texts');
  if (input === '' || (Array.isArray(input) && (input.length === 0 || input.includes('')))) throw invalid('input', 'must not be empty, nor hold an empty text');
  if (typeof input === 'string' || isTokenIds(input)) return;
  if (!Array.isArray(input) || !(input.every((text) => typeof text === 'string') || input.every(isTokenIds))) throw invalid('input', 'must be a text, a list of texts, a list of token ids, or a list of such lists');
  if (input.length > mostInputs) throw invalid('input', `must hold at most ${mostInputs} texts; send the rest in another request`);
}
