import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory } from '../sync-directory.ts';
import { checkDigest, isDigest, type Blob, type ByteRange } from './blob-store.ts';

/** Where blobs lie below a root: `sha256/ab/abcdef...`; what is being written lies in folders beside that. */
const folder = 'sha256';
const chunkBytes = 1 << 20;

export interface StoredBlob extends Blob {
  /** When it was stored last. Unix milliseconds. */
  storedAt: number;
}

/** @throws ForgeError invalid_argument for what is no digest */
export function blobPath(root: string, digest: string): string {
  return join(root, folder, checkDigest(digest).slice(0, 2), digest);
}

/**
 * Makes a file, whole, synced and hashed, the blob, in place of one that is there: that may have been altered. What is
 * there is stored again by it, whenever the file was written.
 */
export async function install(root: string, file: string, digest: string): Promise<void> {
  const path = blobPath(root, digest);
  const now = new Date();
  await utimes(file, now, now);
  await mkdir(dirname(path), { recursive: true });
  await rename(file, path);
  await syncDirectory(dirname(path));
}

/** Counts as storing it again. @returns false when it is not there in this size, or not any more */
export async function touch(path: string, size: number): Promise<boolean> {
  if ((await unlessMissing(stat(path)))?.size !== size) return false;
  const now = new Date();
  return (await unlessMissing(utimes(path, now, now).then(() => true))) ?? false;
}

/** Every blob below the root, in no order. What comes or goes meanwhile may be among them or not. */
export async function* listBlobs(root: string): AsyncGenerator<StoredBlob> {
  for (const part of (await unlessMissing(readdir(join(root, folder)))) ?? []) {
    for (const digest of (await unlessMissing(readdir(join(root, folder, part)))) ?? []) {
      const found = isDigest(digest) ? await unlessMissing(stat(blobPath(root, digest))) : undefined;
      if (found?.isFile()) yield { digest, size: found.size, storedAt: found.mtimeMs };
    }
  }
}

/** Opened when it is read: the error of a stream that nobody reads yet ends the process. */
export async function* chunksOf(path: string, range: Partial<ByteRange> = {}): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: chunkBytes, ...range });
}

/** Reads the whole file. */
export async function hashFile(path: string): Promise<Blob> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of chunksOf(path)) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { digest: hash.digest('hex'), size };
}

export async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
