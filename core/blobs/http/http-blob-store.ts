import type { Agent } from 'undici';
import { isForgeError } from '../../errors.ts';
import { Altered, type Blob, type BlobStore } from '../blob-store.ts';
import { createBlobServer, createConnections, type BlobServer } from './blob-server.ts';
import { createBlobCache, type BlobCache } from './cache.ts';
import type { PatienceOptions } from './patience.ts';

/** A gateway's blobs as this process sees them, whoever asks in it. */
export interface BlobGateway {
  /** The store as one may use it who has this credential; empty: none. */
  as(credential: string, patience: PatienceOptions): BlobStore;
  close(): Promise<void>;
}

/** @param cacheMaxBytes what may be kept on this host's disk, below `cacheRoot` */
export function createBlobGateway({ url, cacheRoot, cacheMaxBytes, logger }: { url: string; cacheRoot: string; cacheMaxBytes: number; logger?: PatienceOptions['logger'] }): BlobGateway {
  const connections: Agent = createConnections();
  const cache = createBlobCache(cacheRoot, cacheMaxBytes);
  return {
    as: (credential, patience) => createHttpBlobStore(createBlobServer({ url, credential, connections, logger, ...patience }), cache, patience.signal),
    async close() {
      await connections.destroy();
      await cache.settled();
    },
  };
}

/**
 * A blob store that is a gateway's. Whatever is read comes whole into the cache first and is verified there; whatever is
 * stored is in the cache first, so that an upload can go on after its source is gone.
 */
export function createHttpBlobStore(server: BlobServer, cache: BlobCache, signal?: AbortSignal): BlobStore {
  const uploading = new Map<string, Promise<void>>();

  /** @throws Altered, where it comes altered twice */
  function fetch(digest: string): Promise<void> {
    const once = async (): Promise<void> => void (await cache.store.put(server.download(digest), digest));
    const transfer = (): Promise<void> =>
      once().catch(async (first: unknown) => {
        if (!(first instanceof Altered)) throw first;
        // On its way, or where it lies: then the gateway has removed it meanwhile.
        await once().catch((second: unknown) => Promise.reject(isForgeError(second, 'not_found') ? first : second));
      });
    return cache.fetch(digest, transfer, signal);
  }
  async function ensure(digest: string): Promise<void> {
    if (!(await cache.holds(digest))) await fetch(digest);
  }
  async function upload(blob: Blob): Promise<Blob> {
    const { digest, size } = blob;
    await together(uploading, digest, () => cache.using(digest, () => server.upload(blob, (offset) => cache.store.read(digest, { start: offset, end: size - 1 }))));
    return blob;
  }

  return {
    put: async (source, expected) => upload(await cache.store.put(source, expected)),
    putFile: async (path) => upload(await cache.store.putFile(path)),
    stat: (digest) => server.stat(digest),
    async *read(digest, range) {
      const release = cache.hold(digest);
      try {
        await ensure(digest);
        yield* cache.store.read(digest, range);
      } finally {
        release();
      }
    },
    materialize: (digest, path) =>
      cache.using(digest, async () => {
        await ensure(digest);
        try {
          await cache.store.materialize(digest, path);
        } catch (error) {
          // Altered here since it was looked at.
          if (!(error instanceof Altered)) throw error;
          await cache.store.remove(digest);
          await fetch(digest);
          await cache.store.materialize(digest, path);
        }
      }),
    async remove(digest) {
      await server.remove(digest);
      await cache.drop(digest);
    },
    async removeUntouched(digest, since) {
      const removed = await server.remove(digest, since);
      if (removed !== 'spared') await cache.drop(digest);
      return removed;
    },
  };
}

/** What is under way for a digest already is waited for: two transfers of one blob would only be in each other's way. */
function together(underWay: Map<string, Promise<void>>, digest: string, work: () => Promise<void>): Promise<void> {
  const known = underWay.get(digest);
  if (known !== undefined) return known;
  const begun = work().finally(() => underWay.delete(digest));
  underWay.set(digest, begun);
  return begun;
}
