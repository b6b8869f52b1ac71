import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ForgeError } from '../../core/errors.ts';
import { openAiError } from '../openai/errors.ts';
import { sendError, sendJson } from '../rest/answer.ts';
import { refuseRpc } from '../rpc/refuse.ts';

export type Lane = 'rpc' | 'openai' | 'rest';

/** Tells a client what kind of key is asked for (RFC 6750, section 3), and whether the one it gave is no good. */
export function challenge(error: ForgeError): string {
  return `Bearer realm="AI Forge"${error.field === undefined ? '' : ', error="invalid_token"'}`;
}

/** Answers a request that no lane gets to see, in the form of the lane that it was for. */
export function refuse(lane: Lane, request: IncomingMessage, response: ServerResponse, error: ForgeError): void {
  if (error.code === 'unauthenticated') response.setHeader('www-authenticate', challenge(error));
  if (lane === 'rest') return sendError(request, response, error);
  if (error.retryAfterSeconds !== undefined) response.setHeader('retry-after', String(Math.ceil(error.retryAfterSeconds)));
  if (lane === 'rpc') return refuseRpc(request, response, error);
  const { status, body } = openAiError(error);
  sendJson(request, response, status, JSON.stringify(body));
}
