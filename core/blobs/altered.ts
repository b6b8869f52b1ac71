import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { blobPath, chunksOf, hashFile, unlessMissing } from './blob-files.ts';
import { Altered } from './blob-store.ts';

/**
 * The bytes of a blob in a file blob store, hashed on the way. One that was altered is removed before the last of them is
 * out, so that whoever sees them all and finds it can store it again.
 * @throws Altered after the last byte; ENOENT
 */
export async function* verifiedChunks(root: string, digest: string): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let held: Uint8Array | undefined;
  for await (const chunk of chunksOf(blobPath(root, digest))) {
    hash.update(chunk);
    if (held !== undefined) yield held;
    held = chunk;
  }
  const actual = hash.digest('hex');
  if (actual !== digest) await removeAltered(root, digest);
  if (held !== undefined) yield held;
  if (actual !== digest) throw new Altered(digest, actual);
}

/** Removes a blob of a file blob store if its bytes, read once more, are others than its name says. One that was stored anew meanwhile stays. */
export async function removeAltered(root: string, digest: string): Promise<void> {
  const path = blobPath(root, digest);
  const before = await unlessMissing(stat(path));
  const found = await unlessMissing(hashFile(path));
  if (before === undefined || found === undefined || found.digest === digest) return;
  const aside = join(root, 'tmp', randomUUID());
  await mkdir(dirname(aside), { recursive: true });
  if ((await unlessMissing(rename(path, aside).then(() => true))) === undefined) return;
  if ((await stat(aside)).ino === before.ino) await rm(aside, { force: true });
  else await rename(aside, path);
}
