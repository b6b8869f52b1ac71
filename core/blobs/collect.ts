import { ForgeError, isForgeError } from '../errors.ts';
import type { StateView } from '../store/replay-view.ts';
import { blobPath, hashFile, listBlobs, unlessMissing } from './blob-files.ts';
import { Altered, type Blob } from './blob-store.ts';
import { createFileBlobStore } from './file-blob-store.ts';
import { namedDigests } from './reachable.ts';
import { readTree } from './tree.ts';

/** What was stored more lately is not looked at: it may be about to be named. */
export const spareMs = 24 * 3_600_000;

export interface Count {
  blobs: number;
  bytes: number;
}

export interface Collected {
  /** Named by events, or file of a tree that is. */
  reachable: Count;
  /** Not reachable, and stored within the last day. */
  young: Count;
  /** Not reachable, and removed; in a dry run: what would be. */
  removed: Count;
  /** Digests that events name and that are not there. */
  missing: string[];
}

export interface Reachable {
  digests: Set<string>;
  /** Of those, the ones that are not there. */
  missing: string[];
  /** Of those, trees that were altered or are gone: which files are theirs is not known. Digest, and what is wrong. */
  unreadable: Map<string, string>;
}

/**
 * What events name of a file blob store, with the files of trees. A tree is verified before it is believed: which files are
 * its own is known by nothing else.
 */
export async function reachableDigests(root: string, state: StateView): Promise<Reachable> {
  const named = namedDigests(state);
  const store = createFileBlobStore(root);
  const reachable: Reachable = { digests: new Set(named.blobs), missing: [], unreadable: new Map() };
  for (const digest of named.trees) {
    reachable.digests.add(digest);
    try {
      for (const file of await verifiedFilesOf(root, digest)) reachable.digests.add(file);
    } catch (error) {
      if (!isForgeError(error)) throw error;
      reachable.unreadable.set(digest, error.message);
    }
  }
  for (const digest of reachable.digests) if ((await store.stat(digest)) === undefined) reachable.missing.push(digest);
  return reachable;
}

/** @throws Altered; ForgeError not_found; internal, too_large where it is no tree */
async function verifiedFilesOf(root: string, digest: string): Promise<string[]> {
  const found = await unlessMissing(hashFile(blobPath(root, digest)));
  if (found === undefined) throw new ForgeError('not_found', 'it is not there');
  if (found.digest !== digest) throw new Altered(digest, found.digest);
  return (await readTree(createFileBlobStore(root), digest)).files.map((file) => file.digest);
}

/**
 * Removes what no event names, unless it was stored within the last day. Its age is looked at again when it is removed, so
 * that whoever stores it meanwhile has it.
 * @param options `state`: of all events up to `now`, in Unix milliseconds
 * @throws ForgeError wrong_state where it is not known what is named, or events and blobs do not belong together
 */
export async function collectGarbage(options: { root: string; state: StateView; now: number; dryRun: boolean }): Promise<Collected> {
  const { root, state, now, dryRun } = options;
  const { digests, missing, unreadable } = await reachableDigests(root, state);
  if (digests.size > 0 && missing.length === digests.size) throw new ForgeError('wrong_state', `not one of the ${digests.size} blobs that the events name is in ${root}: the two do not belong together. Nothing was removed`);
  for (const [digest, why] of unreadable) throw new ForgeError('wrong_state', `tree ${digest} can't be believed (${why}), and which files it names is not known: restore it from a backup. Nothing was removed`);
  const store = createFileBlobStore(root);
  const collected: Collected = { reachable: none(), young: none(), removed: none(), missing };
  for await (const blob of listBlobs(root)) {
    if (digests.has(blob.digest)) add(collected.reachable, blob);
    else if (blob.storedAt >= now - spareMs) add(collected.young, blob);
    else if (dryRun) add(collected.removed, blob);
    else {
      const outcome = await store.removeUntouched(blob.digest, now - spareMs);
      if (outcome === 'spared') add(collected.young, blob);
      else if (outcome !== undefined) add(collected.removed, outcome);
    }
  }
  return collected;
}

const none = (): Count => ({ blobs: 0, bytes: 0 });

function add(count: Count, { size }: Blob): void {
  count.blobs += 1;
  count.bytes += size;
}
