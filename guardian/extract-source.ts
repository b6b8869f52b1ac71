import { join } from 'node:path';
import type { BlobStore } from '../core/blobs/blob-store.ts';
import { isForgeError } from '../core/errors.ts';
import type { ExtractSpec } from '../core/gen/aiforge/v1/task_pb.ts';
import { TaskFailure } from '../core/worker/task-runner.ts';
import { isCommit } from './git/head.ts';
import type { Mirrors } from './git/mirror.ts';
import { runGit } from './git/run.ts';
import { findPath } from './project-path.ts';

const lookTimeoutMs = 10_000;

export interface ExtractSource {
  /** Of the repository, of its mirror here, or of a training file. */
  path: string;
  isFile: boolean;
  /** Of the file whose rows are held out, where one was given. */
  validation?: string;
}

/**
 * Writes uploaded files of the blob store into the work folder, every byte verified.
 * @throws TaskFailure bad_dataset where one was deleted meanwhile
 */
export async function openUploads({ fileDigest, validationDigest }: ExtractSpec, blobs: BlobStore, workDir: string): Promise<ExtractSource> {
  const write = async (digest: string, name: string): Promise<string> => {
    const path = join(workDir, name);
    try {
      await blobs.materialize(digest, path);
    } catch (error) {
      if (isForgeError(error, 'not_found')) throw new TaskFailure('bad_dataset', `the contents of ${name} are not there any more; upload the file again`, false, { cause: error });
      throw error;
    }
    return path;
  };
  const path = await write(fileDigest, 'training_file.jsonl');
  return { path, isFile: true, ...(validationDigest === '' ? {} : { validation: await write(validationDigest, 'validation_file.jsonl') }) };
}

/**
 * Where an extraction reads: the path that was pinned, looked at again, or this host's mirror of a remote repository,
 * fetched only where the commit is not there yet.
 * @throws TaskFailure, ForgeError
 */
export async function openExtractSource({ repository, url, commit }: ExtractSpec, mirrors: Mirrors, projectRoots: readonly string[], signal: AbortSignal): Promise<ExtractSource> {
  if (url !== '') {
    const path = mirrors.path(url);
    return { path: (await hasCommit(path, commit)) ? path : await mirrors.ensure(url, signal), isFile: false };
  }
  // What was resolved may have been moved since, or be a link to somewhere else now.
  const found = await findPath(repository, projectRoots);
  if (found.path !== repository) throw new TaskFailure('bad_dataset', `${repository} is a link by now; submit the job again`, false);
  return { path: repository, isFile: found.kind === 'file' };
}

async function hasCommit(path: string, commit: string): Promise<boolean> {
  if (!isCommit(commit)) return false;
  return runGit(path, ['cat-file', '-e', `${commit}^{commit}`], lookTimeoutMs).then(({ code }) => code === 0, () => false);
}
