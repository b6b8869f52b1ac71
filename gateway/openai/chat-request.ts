import { isUtf8 } from 'node:buffer';
import { invalid } from '../../core/errors.ts';

/** What the gateway needs to know of a chat request; the rest is the backend's business. */
export interface ChatRequestHead {
  /** Undefined: the active model. */
  model: string | undefined;
  stream: boolean;
}

const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];

/**
 * Checks the fields the reference names and leaves all others alone.
 * @throws ForgeError invalid_argument, naming the field
 */
export function parseChatRequest(body: Uint8Array): ChatRequestHead {
  const request = parseObject(body);
  const { model, stream } = request;
  if (model !== undefined && (typeof model !== 'string' || model === '')) throw invalid('model', 'must be a non-empty string');
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') throw invalid('stream', 'must be true or false');
  checkMessages(request['messages']);
  checkNumber(request, 'temperature', 0, 2);
  checkNumber(request, 'top_p', 0, 1);
  checkInteger(request, 'max_tokens', 1);
  checkInteger(request, 'max_completion_tokens', 1);
  checkInteger(request, 'seed', Number.MIN_SAFE_INTEGER);
  checkStop(request['stop']);
  return { model, stream: stream === true };
}

function parseObject(body: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(asUtf8(body));
  } catch {
    throw invalid('body', 'must be a JSON object in UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('body', 'must be a JSON object');
  return value as Record<string, unknown>;
}

/** @throws TypeError where it is not UTF-8 */
function asUtf8(body: Uint8Array): string {
  if (!isUtf8(body)) throw new TypeError('not UTF-8');
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString();
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

function checkNumber(request: Record<string, unknown>, field: string, min: number, max: number): void {
  const value = request[field] ?? undefined;
  if (value === undefined) return;
  if (typeof value !== 'number' || !(value >= min && value <= max)) throw invalid(field, `must be a number from ${min} to ${max}`);
}

function checkInteger(request: Record<string, unknown>, field: string, min: number): void {
  const value = request[field] ?? undefined;
  if (value === undefined) return;
  if (!Number.isInteger(value) || (value as number) < min) throw invalid(field, min === 1 ? 'must be a whole number of at least 1' : 'must be a whole number');
}

function checkStop(stop: unknown): void {
  if (stop === undefined || stop === null || typeof stop === 'string') return;
  if (!Array.isArray(stop) || stop.length > 16 || !stop.every((s) => typeof s === 'string')) throw invalid('stop', 'must be a string or a list of at most 16 strings');
}
