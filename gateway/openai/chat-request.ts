import { invalid } from '../../core/errors.ts';
import { checkInteger, checkSampling, parseHead, type RequestHead } from './request-fields.ts';

const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];

/**
 * Checks the fields the reference names and leaves all others alone.
 * @throws ForgeError invalid_argument, naming the field
 */
export function parseChatRequest(body: Uint8Array): RequestHead {
  const head = parseHead(body);
  checkMessages(head.fields['messages']);
  checkInteger(head.fields, 'max_tokens', 1);
  checkInteger(head.fields, 'max_completion_tokens', 1);
  checkSampling(head.fields);
  return head;
}

function checkMessages(messages: unknown): void {
  if (!Array.isArray(messages)) throw invalid('messages', messages === undefined ? 'is required: a list of {"role", "content"}' : 'must be a list');
  if (messages.length === 0) throw invalid('messages', 'must not be empty');
  for (const [index, message] of messages.entries()) {
    const at = `messages[${index}]`;
    if (typeof message !== 'object' || message === null || Array.isArray(message)) throw invalid(at, 'must be an object with role and content');
    if (!roles.includes(message.role)) throw invalid(`${at}.role`, `must be one of ${roles.join(', ')}`);
    const { content } = message;
    // An assistant's turn that only calls tools has no content.
    const mayBeEmpty = message.role === 'assistant' && (message.tool_calls !== undefined || message.function_call !== undefined);
    if (typeof content === 'string' || (mayBeEmpty && (content ?? null) === null)) continue;
    if (!Array.isArray(content) || !content.every((part) => typeof part?.type === 'string')) throw invalid(`${at}.content`, 'must be a string or a list of parts');
  }
}
