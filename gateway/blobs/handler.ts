import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDigest, type BlobStore } from '../../core/blobs/blob-store.ts';
import type { PartialUploads } from '../../core/blobs/partial-uploads.ts';
import { ForgeError, invalid } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { markRoute } from '../metrics/route-mark.ts';
import type { RawHandler } from '../port/dispatch.ts';
import { shown } from '../port/error-status.ts';
import { refuse } from '../port/refuse.ts';
import { sendError, sendJson } from '../rest/answer.ts';
import { createBlobAccess } from './access.ts';
import { sendBlob } from './download.ts';
import { createOpenTransfers } from './open-transfers.ts';
import { createBlobUploads } from './upload.ts';

/** What begins so is about blobs, and for workers of other hosts: no part of the API that clients see. */
export const blobsPath = '/internal/blobs/';
const pattern = /^\/internal\/blobs\/([^/]+)(\/upload)?$/;

export interface BlobHandlerDeps {
  ledger: Ledger;
  blobs: BlobStore;
  parts: PartialUploads;
  maxBytes: number;
  logger: Logger;
}

/** Blobs for workers that share no disk with this gateway: `/internal/blobs/{sha256}`, and `/upload` below it. */
export function createBlobHandler({ ledger, blobs, parts, maxBytes, logger }: BlobHandlerDeps): RawHandler {
  const accessOf = createBlobAccess(ledger);
  const transfers = createOpenTransfers({ ledger, parts, logger });
  const uploads = createBlobUploads(blobs, parts, maxBytes);

  async function answer(request: IncomingMessage, response: ServerResponse, digest: string, ofUpload: boolean, since: string | null): Promise<void> {
    // Before anything is looked at, and before a byte of the body is read.
    const { owner, attempt } = await accessOf(request);
    if (attempt !== undefined) transfers.add(attempt, response);
    if (!isDigest(digest)) throw invalid('digest', `"${digest.slice(0, 80)}" is not a SHA-256 in lower-case hex`);
    if (attempt !== undefined && ofUpload) transfers.uploads(attempt);
    const verb = `${request.method}${ofUpload ? ' upload' : ''}`;
    switch (verb) {
      case 'GET':
      case 'HEAD':
        return sendBlob(blobs, digest, logger, request, response);
      case 'PUT':
        return uploads.whole(digest, request, response);
      case 'POST upload':
        return uploads.begin(digest, owner, request, response);
      case 'HEAD upload':
        return uploads.offset(digest, owner, response);
      case 'PATCH upload':
        return uploads.part(digest, owner, request, response);
      case 'DELETE':
        if (attempt !== undefined) throw new ForgeError('permission_denied', 'an attempt’s token removes nothing');
        return remove(blobs, digest, since, request, response);
      default:
        response.setHeader('allow', ofUpload ? 'HEAD, POST, PATCH' : 'GET, HEAD, PUT, DELETE');
        return sendJson(request, response, 405, JSON.stringify({ detail: `${request.method} is not served here` }));
    }
  }

  function fail(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
    // A client that broke off, or an answer that did: what has come of an upload is there, and nobody hears.
    if (response.headersSent || response.destroyed || (request.destroyed && !request.complete)) return void response.destroy();
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT') return sendJson(request, response, 507, JSON.stringify({ detail: 'no space is left for blobs on the gateway’s disk; free some' }));
    const { error, log } = shown(thrown, String(response.getHeader('x-request-id') ?? ''));
    if (log) logger.error('a request for a blob failed', { error: thrown });
    refuse('rest', request, response, error);
  }

  return (request, response, url) => {
    const [, digest, ofUpload] = pattern.exec(url.pathname) ?? [];
    if (digest === undefined) {
      if (!url.pathname.startsWith(blobsPath)) return false;
      sendError(request, response, new ForgeError('not_found', 'There is nothing here'));
      return true;
    }
    markRoute(response, 'own', `${blobsPath}{sha256}${ofUpload ?? ''}`);
    answer(request, response, digest, ofUpload !== undefined, url.searchParams.get('stored_before')).catch((error: unknown) => fail(request, response, error));
    return true;
  };
}

/** @param before Unix milliseconds: what was stored then or later stays, and the answer is 412; null: whatever its age */
async function remove(blobs: BlobStore, digest: string, before: string | null, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (before !== null && !/^\d{1,15}$/.test(before)) throw invalid('stored_before', 'must be Unix milliseconds');
  const removed = before === null ? await blobs.stat(digest) : await blobs.removeUntouched(digest, Number(before));
  if (removed === 'spared') return sendJson(request, response, 412, JSON.stringify({ detail: 'It was stored since then' }));
  if (removed === undefined) throw new ForgeError('not_found', `there is no blob ${digest}`);
  if (before === null) await blobs.remove(digest);
  sendJson(request, response, 200, JSON.stringify(removed));
}
