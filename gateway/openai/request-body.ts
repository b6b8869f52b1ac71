import type { IncomingMessage } from 'node:http';
import { ForgeError } from '../../core/errors.ts';

export const bodyLimitBytes = 16 * 1024 * 1024;

const limits = new WeakMap<IncomingMessage, number>();

/** For `readBody`, whoever calls it. */
export function limitBody(request: IncomingMessage, limitBytes: number): void {
  limits.set(request, limitBytes);
}

/**
 * Reads a request's body.
 * What is too large is still read, and thrown away, up to four times the limit: a client that is busy sending would
 * otherwise find its connection reset instead of an answer.
 * @throws ForgeError too_large
 */
export async function readBody(request: IncomingMessage, limitBytes = limits.get(request) ?? bodyLimitBytes): Promise<Buffer> {
  const tooLarge = new ForgeError('too_large', `body: must be at most ${limitBytes} bytes`, { field: 'body' });
  if (Number(request.headers['content-length'] ?? 0) > limitBytes * 4) throw tooLarge;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limitBytes * 4) throw tooLarge;
    if (size <= limitBytes) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (size > limitBytes) throw tooLarge;
  return Buffer.concat(chunks);
}
