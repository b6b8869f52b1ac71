import { stat } from 'node:fs/promises';
import { ForgeError } from '../errors.ts';
import { blobPath, hashFile, listBlobs, unlessMissing } from './blob-files.ts';
import { isDigest, type Blob } from './blob-store.ts';
import { createFileBlobStore } from './file-blob-store.ts';

export interface Copied {
  copied: number;
  bytes: number;
  /** Were there already, and are the blobs that they are called. */
  there: number;
  /** Could not be copied: digest, and what is wrong. */
  problems: string[];
}

/** Copies blobs between two roots, each verified while it is read; what is there is verified and not copied again. */
export async function copyBlobs(digests: Iterable<string>, from: string, to: string): Promise<Copied> {
  const [source, target] = [createFileBlobStore(from), createFileBlobStore(to)];
  const result: Copied = { copied: 0, bytes: 0, there: 0, problems: [] };
  for (const digest of digests) {
    const before = await unlessMissing(hashFile(blobPath(to, digest)));
    if (before?.digest === digest) {
      result.there += 1;
      continue;
    }
    try {
      // One that was altered would count as there.
      if (before !== undefined) await target.remove(digest);
      const blob: Blob = await target.put(source.read(digest), digest);
      result.copied += 1;
      result.bytes += blob.size;
    } catch (error) {
      if (!(error instanceof ForgeError)) throw error;
      result.problems.push(error.message);
    }
  }
  return result;
}

/** Digests of all blobs below a root, each read and compared with its name. @throws ForgeError invalid_argument naming the first that is not what it is called */
export async function verifiedDigests(root: string): Promise<string[]> {
  if (!(await unlessMissing(stat(root)))?.isDirectory()) throw new ForgeError('invalid_argument', `--blobs: ${root} is no folder. Nothing was changed`);
  const digests: string[] = [];
  for await (const { digest } of listBlobs(root)) {
    const { digest: actual } = await hashFile(blobPath(root, digest));
    if (!isDigest(digest) || actual !== digest) throw new ForgeError('invalid_argument', `${blobPath(root, digest)} was altered: its bytes hash to ${actual}. Nothing was changed; take another backup`);
    digests.push(digest);
  }
  return digests;
}
