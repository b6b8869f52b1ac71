import { cors } from '@connectrpc/connect';
import type { IncomingMessage, ServerResponse } from 'node:http';

const exposed = [...cors.exposedHeaders, 'x-request-id', 'retry-after'].join(', ');
const requested = [...cors.allowedHeaders, 'idempotency-key', 'x-request-id', 'authorization'].join(', ');

/**
 * Lets a page of an allowed origin (see origin.ts, which has refused all others) read the answer.
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
  response.setHeader('access-control-allow-headers', requested);
  response.setHeader('access-control-max-age', '7200');
  response.statusCode = 204;
  response.end();
  return true;
}
