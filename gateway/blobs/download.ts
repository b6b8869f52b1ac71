import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Altered, type BlobStore } from '../../core/blobs/blob-store.ts';
import { ForgeError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { rangeOf } from './range.ts';

/** Answers GET and HEAD: the blob or a range of it. Its name never means other bytes, so it may be kept for ever. */
export async function sendBlob(blobs: BlobStore, digest: string, logger: Logger, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const blob = await blobs.stat(digest);
  if (blob === undefined) throw new ForgeError('not_found', `there is no blob ${digest}`);
  const etag = `"${digest}"`;
  const common = { etag, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream', 'cache-control': 'private, immutable, max-age=31536000', 'x-content-type-options': 'nosniff' };
  const { headers } = request;
  if (tags(headers['if-none-match']).includes(etag)) return void response.writeHead(304, common).end();
  // A range of something else is not wanted, but all of this.
  const wanted = headers['if-range'] === undefined || headers['if-range'] === etag ? headers.range : undefined;
  const range = request.method === 'HEAD' ? undefined : rangeOf(wanted, blob.size);
  if (range === 'unsatisfiable') return void response.writeHead(416, { ...common, 'content-range': `bytes */${blob.size}`, 'content-length': 0 }).end();
  const length = range === undefined ? blob.size : range.end - range.start + 1;
  response.writeHead(range === undefined ? 200 : 206, { ...common, 'content-length': length, ...(range === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${blob.size}` }) });
  if (request.method === 'HEAD') return void response.end();
  await pipeline(Readable.from(chunks(blobs.read(digest, range))), response);

  async function* chunks(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* bytes;
    } catch (error) {
      // The length was promised, and the client hashes what it gets: that is how it learns of it too.
      if (!(error instanceof Altered)) throw error;
      logger.error('a blob was altered and is removed, so that it can be stored again', { digest, actual: error.actual });
    }
  }
}

function tags(header: string | undefined): string[] {
  return (header ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
}
