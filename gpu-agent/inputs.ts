import { access, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { BlobStore } from '../core/blobs/blob-store.ts';
import { getTree } from '../core/blobs/tree.ts';
import { isForgeError } from '../core/errors.ts';
import { TaskFailure } from '../core/worker/task-runner.ts';

/** Names for what an attempt is given; each is written below the work folder. */
export type InputName = 'dataset' | 'adapter' | 'checkpoint' | 'base' | 'reference' | 'reference-base';

/**
 * Writes a tree of the blob store into the work folder, every byte verified.
 * @returns its folder
 * @throws TaskFailure input_missing, which another attempt would meet again; unavailable, which it might not
 */
export async function materialize(blobs: BlobStore, digest: string, workDir: string, name: InputName): Promise<string> {
  if (digest === '') throw new TaskFailure('input_missing', `the task was given no ${name}`, false);
  const dir = join(workDir, name);
  try {
    await getTree(blobs, digest, dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw new TaskFailure('disk_full', `no room for the ${name}: ${(error as Error).message}`, true, { cause: error });
    // The gateway that has it was away for too long, or would not hear this attempt.
    const passes = isForgeError(error) && ['unavailable', 'cancelled', 'permission_denied'].includes(error.code);
    if (passes) throw new TaskFailure('unavailable', `the ${name} ${digest} could not be fetched: ${error.message}`, true, { cause: error });
    throw new TaskFailure('input_missing', `the ${name} ${digest} can't be read: ${(error as Error).message}`, false, { cause: error });
  }
  return dir;
}

/** @returns the path where the file is there */
export async function fileIn(dir: string, name: string): Promise<string | undefined> {
  const path = join(dir, name);
  try {
    await access(path);
    return path;
  } catch {
    return undefined;
  }
}

/** A base model that is a path must be a folder on this host. @throws TaskFailure base_model_missing */
export async function checkLocalBase(baseModel: string): Promise<void> {
  if (!isAbsolute(baseModel)) return;
  const found = await stat(baseModel).catch(() => undefined);
  if (!found?.isDirectory()) throw new TaskFailure('base_model_missing', `base_model: ${baseModel} is no folder on this host`, false);
}
