import { blobPath, hashFile, listBlobs, touch, type StoredBlob } from '../blob-files.ts';
import { ForgeError } from '../../errors.ts';
import type { Blob, BlobStore } from '../blob-store.ts';
import { createFileBlobStore } from '../file-blob-store.ts';
import { sweepTemporary } from '../sweep.ts';

/** Blobs on this host's own disk, of which those that nobody has used for longest go first. */
export interface BlobCache {
  readonly store: BlobStore;
  /** Whether it is here, whole and unaltered; one that was altered is dropped. */
  holds(digest: string): Promise<boolean>;
  /**
   * Fetches it, verified, unless somebody does already: who waits for another's transfer makes his own when that fails,
   * since it went by another's token, and may have been given up.
   * @throws ForgeError cancelled where the signal ends the waiting; what `transfer` throws
   */
  fetch(digest: string, transfer: () => Promise<void>, signal?: AbortSignal): Promise<void>;
  /** Keeps a blob from being dropped until what it returns is called. Others are dropped afterwards, where there are too many. */
  hold(digest: string): () => void;
  /** Keeps a blob from being dropped while it is worked with, as `hold` does. */
  using<T>(digest: string, work: () => Promise<T>): Promise<T>;
  /** It is not wanted any more, unless somebody works with it. */
  drop(digest: string): Promise<void>;
  /** Resolves when nothing is being dropped. */
  settled(): Promise<void>;
}

/** What was stored or used so lately is not dropped: somebody may be about to work with it. */
const youngMs = 60_000;

/** @param maxBytes of all blobs together, except those in use */
export function createBlobCache(root: string, maxBytes: number): BlobCache {
  const files = createFileBlobStore(root);
  const inUse = new Map<string, number>();
  /** Looked at once in the life of this process: reading all of it each time would cost as much as copying. */
  const verified = new Set<string>();
  const fetching = new Map<string, Promise<void>>();
  let pruning: Promise<void> | undefined;

  // What is stored is hashed on the way.
  const noted = (blob: Blob): Blob => {
    verified.add(blob.digest);
    return blob;
  };
  const store: BlobStore = {
    ...files,
    put: async (source, expected) => noted(await files.put(source, expected)),
    putFile: async (path) => noted(await files.putFile(path)),
    async remove(digest) {
      verified.delete(digest);
      await files.remove(digest);
    },
  };

  async function drop(digest: string): Promise<boolean> {
    return !inUse.has(digest) && (await store.removeUntouched(digest, Date.now() - youngMs)) !== 'spared';
  }

  async function prune(): Promise<void> {
    await sweepTemporary(root);
    const all: StoredBlob[] = await Array.fromAsync(listBlobs(root));
    let bytes = all.reduce((sum, { size }) => sum + size, 0);
    for (const { digest, size } of all.sort((a, b) => a.storedAt - b.storedAt)) {
      if (bytes <= maxBytes) return;
      if (await drop(digest)) bytes -= size;
    }
  }

  return {
    store,
    async holds(digest) {
      const found: Blob | undefined = await store.stat(digest);
      if (found === undefined) return false;
      await touch(blobPath(root, digest), found.size);
      if (verified.has(digest)) return true;
      if ((await hashFile(blobPath(root, digest))).digest === digest) {
        verified.add(digest);
        return true;
      }
      await store.remove(digest);
      return false;
    },
    drop: async (digest) => void (await drop(digest)),
    settled: async () => pruning,
    async fetch(digest, transfer, signal) {
      for (let others = fetching.get(digest); others !== undefined; others = fetching.get(digest)) {
        if (await untilAborted(others.then(() => true, () => false), signal)) return;
      }
      const begun = transfer().finally(() => fetching.delete(digest));
      fetching.set(digest, begun);
      await begun;
    },
    hold,
    async using(digest, work) {
      const release = hold(digest);
      try {
        return await work();
      } finally {
        release();
      }
    },
  };

  function hold(digest: string): () => void {
    inUse.set(digest, (inUse.get(digest) ?? 0) + 1);
    return () => {
      const left = inUse.get(digest)! - 1;
      if (left > 0) inUse.set(digest, left);
      else inUse.delete(digest);
      // Not waited for: what could not be dropped now is the next time.
      pruning ??= prune().catch(() => {}).finally(() => (pruning = undefined));
    };
  }
}

/** @throws ForgeError cancelled */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new ForgeError('cancelled', 'the transfer of a blob was given up'));
  signal.addEventListener('abort', abort);
  try {
    if (signal.aborted) abort();
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
    promise.catch(() => {});
  }
}
