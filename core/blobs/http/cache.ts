import { blobPath, hashFile, listBlobs, touch, type StoredBlob } from '../blob-files.ts';
import type { Blob, BlobStore } from '../blob-store.ts';
import { createFileBlobStore } from '../file-blob-store.ts';
import { sweepTemporary } from '../sweep.ts';

/** Blobs on this host's own disk, of which those that nobody has used for longest go first. */
export interface BlobCache {
  readonly store: BlobStore;
  /** Whether it is here, whole and unaltered; one that was altered is dropped. */
  holds(digest: string): Promise<boolean>;
  /** Keeps a blob from being dropped while it is worked with. Others are dropped afterwards, where there are too many. */
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
  const store = createFileBlobStore(root);
  const inUse = new Map<string, number>();
  /** Looked at once in the life of this process: reading all of it each time would cost as much as copying. */
  const verified = new Set<string>();
  let pruning: Promise<void> | undefined;

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
    async using(digest, work) {
      inUse.set(digest, (inUse.get(digest) ?? 0) + 1);
      try {
        return await work();
      } finally {
        const left = inUse.get(digest)! - 1;
        if (left > 0) inUse.set(digest, left);
        else inUse.delete(digest);
        // Not waited for: what could not be dropped now is the next time.
        pruning ??= prune().catch(() => {}).finally(() => (pruning = undefined));
      }
    },
  };
}
