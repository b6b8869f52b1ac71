import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendJson } from '../rest/answer.ts';

/** A text or file that stays the same while the gateway runs. */
export interface Fixed {
  type: string;
  body: Buffer;
  /** Strong, by the bytes. */
  etag: string;
}

export function fixed(type: string, body: string | Buffer): Fixed {
  const bytes = Buffer.from(body);
  return { type, body: bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}

/** Answers GET and HEAD with it, 304 where the client has it already, and 405 everything else. */
export function sendFixed(request: IncomingMessage, response: ServerResponse, { type, body, etag }: Fixed, headers: Readonly<Record<string, string>> = {}): void {
  if (refuseAllButGet(request, response)) return;
  const known = (request.headers['if-none-match'] ?? '').split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*');
  // It may change with the next version, so clients ask each time.
  const common = { etag, 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff', ...headers };
  if (known) response.writeHead(304, common);
  else response.writeHead(200, { ...common, 'content-type': type, 'content-length': body.length });
  response.end(known || request.method === 'HEAD' ? undefined : body);
}

/** @returns true where another verb was refused */
export function refuseAllButGet(request: IncomingMessage, response: ServerResponse): boolean {
  const { method } = request;
  if (method === 'GET' || method === 'HEAD') return false;
  const allowed = 'GET, HEAD, OPTIONS';
  response.setHeader('allow', allowed);
  if (method === 'OPTIONS') response.writeHead(204).end();
  else sendJson(request, response, 405, JSON.stringify({ detail: `${method} is not served here; allowed: ${allowed}` }));
  return true;
}
