import type { IncomingMessage } from 'node:http';
import { ForgeError } from '../../core/errors.ts';
import { ByteChunks } from '../port/byte-chunks.ts';

export const bodyLimitBytes = 16 * 1024 * 1024;

/**
 * Reads a request's body.
 * What is too large is still read, and thrown away, up to four times the limit: a client that is busy sending would
 * otherwise find its connection reset instead of an answer.
 * @throws ForgeError too_large, cancelled
 */
export function readBody(request: IncomingMessage, limitBytes = bodyLimitBytes): Promise<Buffer> {
  const tooLarge = (): ForgeError => new ForgeError('too_large', `body: must be at most ${limitBytes} bytes`, { field: 'body' });
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > limitBytes * 4) return reject(tooLarge());
    const chunks = new ByteChunks();
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes * 4) reject(tooLarge());
      if (size <= limitBytes) chunks.push(chunk);
      else chunks.clear();
    });
    request.on('end', () => (size > limitBytes ? reject(tooLarge()) : resolve(chunks.bytes())));
    // It closes after an error too, which it tells nobody where nobody listens for one.
    request.on('close', () => request.readableEnded || reject(new ForgeError('cancelled', 'The client went away')));
  });
}
