import { cors } from '@connectrpc/connect';
import type { IncomingMessage, ServerResponse } from 'node:http';

const exposed = [...cors.exposedHeaders, 'x-request-id', 'retry-after'].join(', ');
const requested = [...cors.allowedHeaders, 'idempotency-key', 'x-request-id', 'authorization', 'x-api-key'];
/** What OpenAI's own package tells of itself in browsers, in names that grow with its versions. */
const told = /^(x-stainless-[a-z-]{1,40}|openai-(organization|project|beta))$/;

/**
 * Lets a page of an allowed origin (see origin.ts, which has refused all others) read the answer. The origin is named,
 * never `*`; and a browser's own credentials (cookies) are not asked for, since none are known here.
 * @returns true where the request was a preflight and is answered
 */
export function allowOrigin(request: IncomingMessage, response: ServerResponse): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return false;
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('vary', 'origin');
  response.setHeader('access-control-expose-headers', exposed);
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
  response.setHeader('access-control-allow-methods', 'GET, HEAD, POST, DELETE, OPTIONS');
  const asked = (request.headers['access-control-request-headers'] ?? '').split(',').map((name) => name.trim().toLowerCase()).filter((name) => told.test(name)).slice(0, 20);
  response.setHeader('access-control-allow-headers', [...requested, ...asked].join(', '));
  response.setHeader('access-control-max-age', '7200');
  response.statusCode = 204;
  response.end();
  return true;
}
