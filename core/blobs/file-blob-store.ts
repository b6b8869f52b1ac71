import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ForgeError } from '../errors.ts';
import { syncDirectory } from '../sync-directory.ts';
import { isDigest, type Blob, type BlobStore } from './blob-store.ts';

const chunkBytes = 1 << 20;

/** Blobs as files, `sha256/ab/abcdef...`: written to a temporary file, synced, then renamed. */
export function createFileBlobStore(root: string): BlobStore {
  const pathOf = (digest: string): string => {
    if (!isDigest(digest)) throw new ForgeError('invalid_argument', `digest: "${digest.slice(0, 80)}" is not a SHA-256 in lower-case hex`, { field: 'digest' });
    return join(root, 'sha256', digest.slice(0, 2), digest);
  };

  async function put(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Blob> {
    const temporary = join(root, 'tmp', randomUUID());
    await mkdir(dirname(temporary), { recursive: true });
    try {
      const { digest, size } = await writeSynced(temporary, source);
      const path = pathOf(digest);
      if (!(await touch(path, size))) {
        await mkdir(dirname(path), { recursive: true });
        await rename(temporary, path);
        await syncDirectory(dirname(path));
      }
      return { digest, size };
    } finally {
      await rm(temporary, { force: true });
    }
  }

  return {
    put,
    putFile: (path) => put(chunksOf(path)),
    async stat(digest) {
      const found = await unlessMissing(stat(pathOf(digest)));
      return found && { digest, size: found.size };
    },
    async *read(digest) {
      try {
        yield* chunksOf(pathOf(digest));
      } catch (error) {
        if (isMissing(error)) throw new ForgeError('not_found', `blob ${digest} is not in the store`, { cause: error });
        throw error;
      }
    },
    async materialize(digest, path) {
      await mkdir(dirname(path), { recursive: true });
      const temporary = `${path}.${randomUUID()}.tmp`;
      try {
        const written = await writeSynced(temporary, this.read(digest));
        if (written.digest !== digest) throw new ForgeError('internal', `blob ${digest} was altered: its bytes hash to ${written.digest}`);
        await rename(temporary, path);
      } finally {
        await rm(temporary, { force: true });
      }
    },
    async remove(digest) {
      await rm(pathOf(digest), { force: true });
    },
    async removeUntouched(digest, since) {
      const path = pathOf(digest);
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

/** Opened when it is read: the error of a stream that nobody reads yet ends the process. */
async function* chunksOf(path: string): AsyncIterable<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: chunkBytes });
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

/** @returns false when it is not there in this size, or not any more */
async function touch(path: string, size: number): Promise<boolean> {
  if ((await unlessMissing(stat(path)))?.size !== size) return false;
  const now = new Date();
  return (await unlessMissing(utimes(path, now, now).then(() => true))) ?? false;
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
