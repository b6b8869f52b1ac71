import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ForgeError } from '../errors.ts';
import { removeAltered, verifiedChunks } from './altered.ts';
import { blobPath, chunksOf, install, isMissing, unlessMissing } from './blob-files.ts';
import { Altered, type Blob, type BlobStore } from './blob-store.ts';

/** Blobs as files (see blob-files): written to a temporary file, synced, then renamed. */
export function createFileBlobStore(root: string): BlobStore {
  async function put(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, expected?: string): Promise<Blob> {
    const temporary = join(root, 'tmp', randomUUID());
    await mkdir(dirname(temporary), { recursive: true });
    try {
      const blob = await writeSynced(temporary, source);
      if (expected !== undefined && blob.digest !== expected) throw new Altered(expected, blob.digest);
      await install(root, temporary, blob.digest);
      return blob;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  return {
    put,
    putFile: (path) => put(chunksOf(path)),
    async stat(digest) {
      const found = await unlessMissing(stat(blobPath(root, digest)));
      return found && { digest, size: found.size };
    },
    async *read(digest, range) {
      try {
        yield* range === undefined ? verifiedChunks(root, digest) : chunksOf(blobPath(root, digest), range);
      } catch (error) {
        throw isMissing(error) ? missing(digest, error) : error;
      }
    },
    async materialize(digest, path) {
      await mkdir(dirname(path), { recursive: true });
      const temporary = `${path}.${randomUUID()}.tmp`;
      try {
        const written = await writeSynced(temporary, chunksOf(blobPath(root, digest)));
        if (written.digest !== digest) {
          await removeAltered(root, digest);
          throw new Altered(digest, written.digest);
        }
        await rename(temporary, path);
      } catch (error) {
        throw isMissing(error) && (await this.stat(digest)) === undefined ? missing(digest, error) : error;
      } finally {
        await rm(temporary, { force: true });
      }
    },
    async remove(digest) {
      await rm(blobPath(root, digest), { force: true });
    },
    async removeUntouched(digest, since) {
      const path = blobPath(root, digest);
      const found = await unlessMissing(stat(path));
      if (found === undefined) return undefined;
      if (found.mtimeMs >= since) return 'spared';
      // Out of the way first: who stores it from now on makes it anew, and who has just touched it shows.
      const aside = join(root, 'tmp', randomUUID());
      await mkdir(dirname(aside), { recursive: true });
      if ((await unlessMissing(rename(path, aside).then(() => true))) === undefined) return undefined;
      if ((await stat(aside)).mtimeMs >= since) {
        await rename(aside, path);
        return 'spared';
      }
      await rm(aside, { force: true });
      return { digest, size: found.size };
    },
  };
}

function missing(digest: string, cause: unknown): ForgeError {
  return new ForgeError('not_found', `blob ${digest} is not in the store`, { cause });
}

async function writeSynced(path: string, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Blob> {
  const hash = createHash('sha256');
  let size = 0;
  const file = await open(path, 'wx');
  try {
    for await (const chunk of source) {
      hash.update(chunk);
      size += chunk.length;
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { digest: hash.digest('hex'), size };
}
