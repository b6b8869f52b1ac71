import type { BlobStore } from '../../core/blobs/blob-store.ts';

/** The one tree that workers name: files are not what is simulated. */
export const emptyTree = new TextEncoder().encode('{"files":[]}');

/** Whatever a worker names is there. */
export const blobs = {
  async *read() {
    yield emptyTree;
  },
} as unknown as BlobStore;
