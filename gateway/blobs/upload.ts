import type { IncomingMessage, ServerResponse } from 'node:http';
import { Altered, type Blob, type BlobStore } from '../../core/blobs/blob-store.ts';
import type { PartialUploads } from '../../core/blobs/partial-uploads.ts';
import { ForgeError, invalid } from '../../core/errors.ts';
import { faultPoint } from '../../core/fault.ts';
import { sendJson } from '../rest/answer.ts';

/** More at once would wait for the disk anyway. */
const maxUploads = 64;

export interface BlobUploads {
  /** PUT: the whole blob in one request. */
  whole(digest: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** POST: says whether the blob is there, or where its upload goes on. */
  begin(digest: string, owner: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** HEAD: where its upload goes on. */
  offset(digest: string, owner: string, response: ServerResponse): Promise<void>;
  /** PATCH: a part of it, or what is left. */
  part(digest: string, owner: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/**
 * Uploads that go on where they broke, with the fields of the IETF's draft (draft-ietf-httpbis-resumable-upload):
 * `Upload-Offset`, `Upload-Length` and `Upload-Complete`. Each blob's upload has a name from the start, so that nobody has
 * to learn it by an answer that may get lost.
 */
export function createBlobUploads(blobs: BlobStore, parts: PartialUploads, maxBytes: number): BlobUploads {
  let open = 0;

  async function counted<T>(work: () => Promise<T>): Promise<T> {
    if (open >= maxUploads) throw new ForgeError('rate_limited', `${maxUploads} blobs are being uploaded; try again when one is through`, { retryAfterSeconds: 1 });
    open += 1;
    try {
      return await work();
    } catch (error) {
      throw error instanceof Altered ? invalid('body', `its bytes hash to ${error.actual}, which is not the digest of the path; send the blob from its start again`) : error;
    } finally {
      open -= 1;
    }
  }
  const checkLength = (length: number): void => {
    if (length > maxBytes) throw new ForgeError('too_large', `body: a blob must have at most ${maxBytes} bytes (FORGE_MAX_BLOB_BYTES)`, { field: 'body' });
  };

  return {
    whole: (digest, request, response) =>
      counted(async () => {
        checkLength(Number(request.headers['content-length'] ?? 0));
        const known = await blobs.stat(digest);
        sendBlobJson(request, response, known === undefined ? 201 : 200, await blobs.put(bodyOf(request, maxBytes), digest));
      }),
    async begin(digest, owner, request, response) {
      const size = numberField(request, 'upload-length');
      checkLength(size);
      const found = await parts.begin(digest, owner, size);
      if ('offset' in found) {
        response.setHeader('upload-offset', found.offset);
        response.setHeader('upload-complete', '?0');
        sendJson(request, response, 202, JSON.stringify({ offset: found.offset }));
      } else {
        response.setHeader('upload-complete', '?1');
        sendBlobJson(request, response, 200, found);
      }
    },
    async offset(digest, owner, response) {
      response.writeHead(204, { 'upload-offset': await parts.offset(digest, owner), 'upload-complete': '?0', 'cache-control': 'no-store' }).end();
    },
    part: (digest, owner, request, response) =>
      counted(async () => {
        const offset = numberField(request, 'upload-offset');
        const completes = request.headers['upload-complete'];
        if (completes !== '?1' && completes !== '?0') throw invalid('Upload-Complete', 'must be ?1 where the blob ends with this request, else ?0');
        checkLength(offset + Number(request.headers['content-length'] ?? 0));
        const there = await parts.append(digest, owner, offset, bodyOf(request, maxBytes), maxBytes);
        if (completes === '?1') return sendBlobJson(request, response, 201, await parts.complete(digest, owner));
        response.setHeader('upload-offset', there);
        response.setHeader('upload-complete', '?0');
        sendJson(request, response, 202, JSON.stringify({ offset: there }));
      }),
  };
}

function sendBlobJson(request: IncomingMessage, response: ServerResponse, status: number, { digest, size }: Blob): void {
  sendJson(request, response, status, JSON.stringify({ digest, size }));
}

/** @throws ForgeError invalid_argument */
function numberField(request: IncomingMessage, name: string): number {
  const text = request.headers[name];
  if (typeof text !== 'string' || !/^\d{1,15}$/.test(text)) throw invalid(name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()), 'must be a number of bytes');
  return Number(text);
}

/** Leaves the request alone when its reader stops early: the client is to get its answer. */
async function* bodyOf(request: IncomingMessage, maxBytes: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new ForgeError('too_large', `body: a blob must have at most ${maxBytes} bytes (FORGE_MAX_BLOB_BYTES)`, { field: 'body' });
    faultPoint('gateway.blob.chunk');
    yield chunk;
  }
  if (!request.complete) throw new ForgeError('cancelled', 'The client went away');
}
