import { constants } from 'node:fs';
import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ForgeError } from '../errors.ts';
import { sha256Hex } from '../store/envelope.ts';
import { blobPath, hashFile, install, isMissing, touch, unlessMissing } from './blob-files.ts';
import { Altered, checkDigest, type Blob } from './blob-store.ts';

export const uploadsFolder = 'uploads';

/**
 * Blobs that come in parts, over connections that may break and processes that may die: each continues where the part
 * before ended. An upload is one of a digest by an owner. Whoever goes on with it takes it from a request that may still
 * wait for more, as after a break that only one side has noticed.
 */
export interface PartialUploads {
  /** Counts as storing the blob where that is there in this size. @returns the blob, or how many bytes of the upload are there */
  begin(digest: string, owner: string, size: number): Promise<Blob | { offset: number }>;
  /** Bytes that are there; 0 for none. */
  offset(digest: string, owner: string): Promise<number>;
  /**
   * Writes what comes at `offset`, which must not be behind what is there. What has come when the source breaks is kept.
   * @param maxBytes of the whole upload
   * @returns how many bytes are there
   * @throws ForgeError version_conflict (offset, or another request goes on with it or completes it), too_large
   */
  append(digest: string, owner: string, offset: number, source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<number>;
  /** Verifies what is there and makes it the blob. @throws Altered, and what is there is dropped; ForgeError version_conflict (another request does) */
  complete(digest: string, owner: string): Promise<Blob>;
  /** Removes what is there of all uploads of an owner, and ends what still writes to them. */
  drop(owner: string): Promise<void>;
}

/** Parts as files below the root of a file blob store, so that they become blobs by renaming. */
export function createPartialUploads(root: string): PartialUploads {
  const partOf = (digest: string, owner: string): string => join(root, uploadsFolder, `${checkDigest(digest)}${suffixOf(owner)}`);
  /** Of each part the one handle that may still write: a blob must not be written to by whoever had its part open. */
  const writing = new Map<string, FileHandle>();
  /** Of these the bytes are being hashed: who wrote to them now would alter the blob that they become. */
  const completing = new Set<string>();
  const sizeOf = async (path: string): Promise<number | undefined> => (await unlessMissing(stat(path)))?.size;

  /** @returns the blob where it is there, in the size that is expected */
  async function touched(digest: string, expected?: number): Promise<Blob | undefined> {
    const path = blobPath(root, digest);
    const size = await sizeOf(path);
    return size !== undefined && size === (expected ?? size) && (await touch(path, size)) ? { digest, size } : undefined;
  }

  async function endWriting(path: string): Promise<void> {
    const before = writing.get(path);
    writing.delete(path);
    await before?.close();
  }

  async function offset(digest: string, owner: string): Promise<number> {
    return (await sizeOf(partOf(digest, owner))) ?? 0;
  }

  return {
    begin: async (digest, owner, size) => (await touched(digest, size)) ?? { offset: await offset(digest, owner) },
    offset,
    async append(digest, owner, at, source, maxBytes) {
      const path = partOf(digest, owner);
      await mkdir(dirname(path), { recursive: true });
      const file = await open(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
      // Looked at when the file is open, since it is renamed while it is completed.
      if (completing.has(path)) {
        await file.close();
        throw beingCompleted();
      }
      const before = writing.get(path);
      writing.set(path, file);
      let position = at;
      try {
        await before?.close();
        const { size } = await file.stat();
        if (at > size) throw new ForgeError('version_conflict', `Upload-Offset: ${size} bytes are there; go on from them`, { field: 'Upload-Offset' });
        for await (const chunk of source) {
          if (position + chunk.length > maxBytes) throw new ForgeError('too_large', `body: a blob must have at most ${maxBytes} bytes`, { field: 'body' });
          await writeAll(file, chunk, position);
          position += chunk.length;
        }
      } catch (error) {
        if (writing.get(path) !== file) throw new ForgeError('version_conflict', 'another request goes on with this upload', { cause: error });
        throw error;
      } finally {
        if (writing.get(path) === file) writing.delete(path);
        await file.close();
      }
      return position;
    },
    async complete(digest, owner) {
      const path = partOf(digest, owner);
      if (completing.has(path)) throw beingCompleted();
      completing.add(path);
      try {
        await endWriting(path);
        const file = await open(path, 'r+');
        await file.sync().finally(() => file.close());
        const blob = await hashFile(path);
        if (blob.digest !== digest) throw new Altered(digest, blob.digest);
        await install(root, path, digest);
        return blob;
      } catch (error) {
        // Another request of the same owner may have completed it a moment ago.
        const there = isMissing(error) ? await touched(digest) : undefined;
        if (there === undefined) throw error;
        return there;
      } finally {
        await rm(path, { force: true });
        completing.delete(path);
      }
    },
    async drop(owner) {
      const names = (await unlessMissing(readdir(join(root, uploadsFolder)))) ?? [];
      for (const name of names.filter((one) => one.endsWith(suffixOf(owner)))) {
        const path = join(root, uploadsFolder, name);
        await endWriting(path);
        await rm(path, { force: true });
      }
    },
  };
}

function suffixOf(owner: string): string {
  return `.${sha256Hex(owner).slice(0, 32)}`;
}

function beingCompleted(): ForgeError {
  return new ForgeError('version_conflict', 'another request completes this upload: ask again whether the blob is there');
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
}
