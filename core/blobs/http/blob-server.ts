import { Readable } from 'node:stream';
import { Agent, type Dispatcher } from 'undici';
import { ForgeError, isForgeError } from '../../errors.ts';
import { checkDigest, type Blob } from '../blob-store.ts';
import { Away, createPatience, type PatienceOptions } from './patience.ts';

/** A gateway hashes what was uploaded before it answers, and a disk may be slow. */
const answerMs = 600_000;
/** A transfer that stands still for so long is begun again where it stopped. */
const silenceMs = 60_000;
const connectMs = 10_000;
const maxDetailBytes = 64 << 10;
/** What undici says of a request that is wrong by itself, and of connections that this process has closed. */
const neverHeals: ReadonlySet<string> = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', 'UND_ERR_DESTROYED', 'UND_ERR_CLOSED']);

export interface BlobServerOptions extends PatienceOptions {
  /** Of a gateway, or what stands before several that share their blobs. */
  url: string;
  /** An attempt's token or an API key; empty: none. */
  credential: string;
  connections: Agent;
}

/** Blobs of a gateway, each transfer over as many connections as it takes. */
export interface BlobServer {
  /** @returns undefined when it is not there */
  stat(digest: string): Promise<Blob | undefined>;
  /** The blob's bytes, not verified. @throws ForgeError not_found, unavailable, permission_denied */
  download(digest: string): AsyncGenerator<Uint8Array>;
  /** @param open the blob's bytes from an offset on @throws ForgeError unavailable, permission_denied, too_large, internal; ENOSPC; what `open` throws */
  upload(blob: Blob, open: (offset: number) => AsyncIterable<Uint8Array>): Promise<void>;
  /** @param before only what was stored earlier, Unix milliseconds; undefined: whatever its age */
  remove(digest: string, before?: number): Promise<Blob | 'spared' | undefined>;
}

export function createConnections(): Agent {
  return new Agent({ headersTimeout: answerMs, bodyTimeout: silenceMs, connect: { timeout: connectMs } });
}

export function createBlobServer(options: BlobServerOptions): BlobServer {
  const base = URL.parse(options.url)!;
  const { origin } = base;
  const pathOf = (digest: string): string => `${base.pathname.replace(/\/$/, '')}/internal/blobs/${checkDigest(digest)}`;
  const authorization: Record<string, string> = options.credential === '' ? {} : { authorization: `Bearer ${options.credential}` };

  type Sent = Pick<Dispatcher.RequestOptions, 'method' | 'path'> & { headers?: Record<string, string>; body?: Readable };

  /** @param expected statuses that the caller understands @throws ForgeError for others */
  async function send({ headers, body, ...request }: Sent, expected: readonly number[]): Promise<Dispatcher.ResponseData> {
    let response;
    try {
      response = await options.connections.request({ origin, ...request, headers: { ...headers, ...authorization }, body: body ?? null, signal: options.signal ?? null });
    } catch (error) {
      throw neverHeals.has((error as NodeJS.ErrnoException).code ?? '') ? error : away(error);
    }
    if (expected.includes(response.statusCode)) return response;
    throw errorOf(response.statusCode, await detailOf(response));
  }
  const away = (cause: unknown): Away => new Away(`the gateway at ${origin} does not answer (FORGE_BLOBS_URL): ${(cause as Error).message}`, cause);

  /** Repeats a request that has no body as long as nobody answers. */
  async function ask(request: Sent, expected: readonly number[]): Promise<Dispatcher.ResponseData> {
    const patience = createPatience(options);
    for (;;) {
      try {
        return await send(request, expected);
      } catch (error) {
        await patience.pause(error);
      }
    }
  }

  return {
    async stat(digest) {
      const { statusCode, headers, body } = await ask({ method: 'HEAD', path: pathOf(digest) }, [200, 404]);
      await body.dump();
      return statusCode === 404 ? undefined : { digest, size: Number(headers['content-length']) };
    },
    async *download(digest) {
      const patience = createPatience(options);
      let offset = 0;
      let size = Infinity;
      while (offset < size) {
        try {
          const response = await send({ method: 'GET', path: pathOf(digest), headers: offset === 0 ? {} : { range: `bytes=${offset}-`, 'if-range': `"${digest}"` } }, [200, 206]);
          const length = Number(response.headers['content-length']);
          // What stands between may not know ranges and send all of it again.
          let skip = response.statusCode === 206 ? 0 : offset;
          size = (response.statusCode === 206 ? offset : 0) + length;
          for await (const chunk of response.body as AsyncIterable<Buffer>) {
            const rest = chunk.subarray(Math.min(skip, chunk.length));
            skip -= chunk.length - rest.length;
            offset += rest.length;
            if (rest.length === 0) continue;
            patience.progressed();
            yield rest;
          }
          if (offset < size) throw away(new Error(`it sent ${offset} of ${size} bytes`));
        } catch (error) {
          await patience.pause(error instanceof ForgeError ? error : away(error));
        }
      }
    },
    async upload({ digest, size }, open) {
      const patience = createPatience(options);
      const path = `${pathOf(digest)}/upload`;
      let reached = 0;
      let refused = false;
      let broken: { error: unknown } | undefined;
      /** A disk here that fails is no gateway that is away. */
      async function* watched(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
        const iterator = source[Symbol.asyncIterator]();
        try {
          for (;;) {
            // Only what the source throws: that a connection broke is thrown into this generator, at its yield.
            const next = await iterator.next().catch((error: unknown) => {
              broken = { error };
              throw error;
            });
            if (next.done === true) return;
            yield next.value;
          }
        } finally {
          await iterator.return?.();
        }
      }
      for (;;) {
        try {
          const begun = await send({ method: 'POST', path, headers: { 'upload-length': String(size), 'content-length': '0' } }, [200, 202]);
          await begun.body.dump();
          if (begun.statusCode === 200) return;
          const offset = Number(begun.headers['upload-offset']);
          if (offset > reached) patience.progressed();
          reached = Math.max(reached, offset);
          const headers = { 'upload-offset': String(offset), 'upload-complete': '?1', 'content-type': 'application/partial-upload', 'content-length': String(Math.max(0, size - offset)) };
          const done = await send({ method: 'PATCH', path, headers, body: Readable.from(offset < size ? watched(open(offset)) : [], { objectMode: false }) }, [201]);
          await done.body.dump();
          return;
        } catch (error) {
          if (broken !== undefined) throw broken.error;
          // What was there of it may have been damaged, as by a power failure: once more, from the start.
          const again: boolean = !refused && isForgeError(error, 'invalid_argument');
          refused ||= again;
          await patience.pause(again ? new Away((error as Error).message, error) : error);
        }
      }
    },
    async remove(digest, before) {
      const path = `${pathOf(digest)}${before === undefined ? '' : `?stored_before=${Math.floor(before)}`}`;
      const { statusCode, body } = await ask({ method: 'DELETE', path }, [200, 404, 412]);
      if (statusCode === 200) return (await body.json()) as Blob;
      await body.dump();
      return statusCode === 412 ? 'spared' : undefined;
    },
  };
}

/** The gateway's word on what is wrong. */
async function detailOf({ body }: Dispatcher.ResponseData): Promise<string> {
  let text = '';
  try {
    for await (const chunk of body) {
      text += String(chunk);
      if (text.length > maxDetailBytes) break;
    }
    return String((JSON.parse(text) as { detail?: unknown }).detail ?? text).slice(0, 500);
  } catch {
    return text.slice(0, 200);
  }
}

function errorOf(status: number, detail: string): Error {
  const text = `the gateway refused a blob (status ${status}): ${detail}`;
  switch (status) {
    case 400:
      return new ForgeError('invalid_argument', text);
    case 401:
    case 403:
      return new ForgeError('permission_denied', text);
    case 404:
      return new ForgeError('not_found', `a blob is not in the gateway's store: ${detail}`);
    case 413:
      return new ForgeError('too_large', text);
    case 507:
      return Object.assign(new Error(text), { code: 'ENOSPC' });
    // 409: another request of ours is still going on with the upload.
    case 408: case 409: case 429: case 502: case 503: case 504:
      return new Away(text);
    // A 500 is no gateway that is away, but one that fails: whoever waited for it might wait for ever.
    default:
      return new ForgeError('internal', text);
  }
}
