import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '../core/blobs/blob-store.ts';
import { putTree } from '../core/blobs/tree.ts';
import { isForgeError } from '../core/errors.ts';
import { TaskFailure, type TaskContext, type TaskRunner } from '../core/worker/task-runner.ts';
import { buildDataset } from './dataset/build.ts';
import type { DatasetReport } from './dataset/report.ts';
import { defaultSettings } from './dataset/settings.ts';
import { isCommit } from './git/head.ts';
import { findPath } from './project-path.ts';
import { filePrefix } from './resolve.ts';
import { buildFromTrainingFile } from './training-file/build.ts';

export interface ExtractDeps {
  blobs: BlobStore;
  projectRoots: readonly string[];
}

/** Runs tasks of kind `extract`: source and commit in, the digest of a dataset tree out. */
export function createExtractRunner(deps: ExtractDeps): TaskRunner {
  return async (context) => {
    try {
      return await extract(deps, context);
    } catch (error) {
      // Nothing is kept of an extract that was stopped: the next attempt begins anew.
      if (context.signal.aborted) return 'stopped';
      throw asFailure(error);
    }
  };
}

async function extract({ blobs, projectRoots }: ExtractDeps, context: TaskContext) {
  const spec = context.assignment.spec?.kind;
  if (spec?.case !== 'extract') throw new TaskFailure('invalid_argument', `the guardian runs extract tasks, not ${spec?.case ?? 'an empty one'}`, false);
  const { repository, commit, seed } = spec.value;
  // What was resolved may have been moved since, or be a link to somewhere else now.
  const found = await findPath(repository, projectRoots);
  if (found.path !== repository) throw new TaskFailure('bad_dataset', `${repository} is a link by now; submit the job again`, false);

  const directory = join(context.workDir, 'dataset');
  await mkdir(directory);
  context.phase('reading');
  let lastShare = -1;
  const progress = (share: number): void => {
    if (share < 1 && share - lastShare < 0.01) return;
    lastShare = share;
    context.metric({ fraction: share, message: 'making the dataset' });
  };
  const report = await makeDataset({ repository, commit, seed, isFile: found.kind === 'file', directory, signal: context.signal, progress });
  const problem = tooSmall(report);
  if (problem !== undefined) throw new TaskFailure('bad_dataset', problem, false);
  context.log(`dataset of ${commit}: ${report.train.rows} examples to train on, ${report.heldout.rows} held out`);
  context.signal.throwIfAborted();
  context.phase('storing');
  const digest = await putTree(blobs, directory);
  return {
    kind: {
      case: 'extract' as const,
      value: { datasetDigest: digest, commit, trainExamples: BigInt(report.train.rows), heldoutExamples: BigInt(report.heldout.rows), files: BigInt(found.kind === 'file' ? 1 : report.train.files + report.heldout.files) },
    },
  };
}

interface Making {
  repository: string;
  commit: string;
  seed: bigint;
  isFile: boolean;
  directory: string;
  signal: AbortSignal;
  progress(share: number): void;
}

function makeDataset({ repository, commit, seed, isFile, directory, signal, progress }: Making): Promise<DatasetReport> {
  const settings = defaultSettings(seed);
  if (isFile) {
    if (!commit.startsWith(filePrefix)) throw new TaskFailure('bad_dataset', `${repository} is a file, and "${commit}" is not the hash of one`, false);
    return buildFromTrainingFile({ path: repository, commit, settings, directory, signal, progress });
  }
  if (!isCommit(commit)) throw new TaskFailure('bad_dataset', `"${commit}" is not the full id of a commit`, false);
  return buildDataset({ repository, commit, settings, directory, signal, progress });
}

/** What was found and what was left out, and why: enough to see what to change. Undefined when there is enough. */
function tooSmall(report: DatasetReport): string | undefined {
  const { min_train_rows: leastTrain, min_heldout_rows: leastHeldout } = report.settings;
  if (report.train.rows >= Number(leastTrain) && report.heldout.rows >= Number(leastHeldout)) return undefined;
  const list = (counts: Record<string, number>): string => Object.entries(counts).map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none';
  return (
    `too little to learn from at ${report.commit}: ${report.train.rows} examples to train on and ${report.heldout.rows} held out, at least ${leastTrain} and ${leastHeldout} are needed. ` +
    `${report.files_listed} files found; left out: ${list(report.files_dropped)}; examples left out: ${list(report.rows_dropped)}. Add text files that differ from each other, at least two`
  );
}

function asFailure(error: unknown): TaskFailure {
  if (error instanceof TaskFailure) return error;
  // git missing or a slow disk may be better next time; what is wrong in the data will not.
  if (isForgeError(error)) return new TaskFailure(error.code === 'unavailable' ? 'unavailable' : 'bad_dataset', error.message, error.code === 'unavailable', { cause: error });
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new TaskFailure('disk_full', 'no space is left for the dataset; free some and resume', true, { cause: error });
  return new TaskFailure('bad_dataset', error instanceof Error ? error.message : String(error), false, { cause: error });
}
