import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '../core/blobs/blob-store.ts';
import { putTree } from '../core/blobs/tree.ts';
import { isForgeError } from '../core/errors.ts';
import { DatasetRecipe, type ExtractSpec } from '../core/gen/aiforge/v1/task_pb.ts';
import type { Ledger } from '../core/store/ledger.ts';
import { TaskFailure, type TaskContext, type TaskRunner } from '../core/worker/task-runner.ts';
import { buildDataset } from './dataset/build.ts';
import type { DatasetReport } from './dataset/report.ts';
import { defaultSettings } from './dataset/settings.ts';
import { isCommit } from './git/head.ts';
import type { Mirrors } from './git/mirror.ts';
import { openExtractSource, openUploads, type ExtractSource } from './extract-source.ts';
import { storeQualityReport, type QualityReport } from './quality-report.ts';
import { filePrefix } from './resolve.ts';
import { buildFromTrainingFile } from './training-file/build.ts';

export interface ExtractDeps {
  blobs: BlobStore;
  projectRoots: readonly string[];
  mirrors: Mirrors;
  ledger: Ledger;
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

async function extract(deps: ExtractDeps, context: TaskContext) {
  const spec = context.assignment.spec?.kind;
  if (spec?.case !== 'extract') throw new TaskFailure('invalid_argument', `the guardian runs extract tasks, not ${spec?.case ?? 'an empty one'}`, false);
  const { blobs, mirrors, projectRoots } = deps;
  const { commit } = spec.value;
  const source = spec.value.fileDigest !== '' ? await openUploads(spec.value, blobs, context.workDir) : await openExtractSource(spec.value, mirrors, projectRoots, context.signal);
  const directory = join(context.workDir, 'dataset');
  await mkdir(directory);
  context.phase('reading');
  let lastShare = -1;
  const progress = (share: number): void => {
    if (share < 1 && share - lastShare < 0.01) return;
    lastShare = share;
    context.metric({ fraction: share, message: 'making the dataset' });
  };
  const report = await makeDataset({ source, spec: spec.value, directory, signal: context.signal, progress });
  const problem = tooSmall(report);
  if (problem !== undefined) throw new TaskFailure('bad_dataset', problem, false);
  context.log(`dataset of ${commit}: ${report.train.rows} examples to train on, ${report.heldout.rows} held out`);
  context.signal.throwIfAborted();
  context.phase('storing');
  const digest = await putTree(blobs, directory);
  const quality = await storeQualityReport({ spec: spec.value, report, dataset: directory, workDir: context.workDir, signal: context.signal, log: context.log }, deps);
  return { kind: { case: 'extract' as const, value: extractResult(report, digest, quality, source.isFile) } };
}

function extractResult(report: DatasetReport, datasetDigest: string, { digest, tokens }: QualityReport, isFile: boolean) {
  const { train, heldout, files_dropped: files, rows_dropped: rows } = report;
  return {
    datasetDigest,
    commit: report.commit,
    trainExamples: BigInt(train.rows),
    heldoutExamples: BigInt(heldout.rows),
    files: BigInt(isFile ? 1 : train.files + heldout.files),
    trainTokens: tokens && BigInt(tokens.train),
    heldoutTokens: tokens && BigInt(tokens.heldout),
    reportDigest: digest,
    secretsDropped: BigInt((rows['secret'] ?? 0) + (files['secret'] ?? 0)),
    duplicatesDropped: BigInt(files['duplicate'] ?? 0),
  };
}

interface Making {
  source: ExtractSource;
  spec: ExtractSpec;
  directory: string;
  signal: AbortSignal;
  progress(share: number): void;
}

function makeDataset({ source: { path, isFile, validation }, spec: { commit, seed, recipe, validationDigest }, directory, signal, progress }: Making): Promise<DatasetReport> {
  const settings = defaultSettings(seed, recipe === DatasetRecipe.PLAIN ? 'plain' : 'full');
  if (isFile) {
    if (!commit.startsWith(filePrefix)) throw new TaskFailure('bad_dataset', `${path} is a file, and "${commit}" is not the hash of one`, false);
    const heldOut = validation === undefined ? undefined : { path: validation, commit: `${filePrefix}${validationDigest}` };
    return buildFromTrainingFile({ path, commit, validation: heldOut, settings, directory, signal, progress });
  }
  if (!isCommit(commit)) throw new TaskFailure('bad_dataset', `"${commit}" is not the full id of a commit`, false);
  return buildDataset({ repository: path, commit, settings, directory, signal, progress });
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
  if (code === 'ENOSPC' || code === 'EDQUOT') return new TaskFailure('disk_full', 'no space is left for the dataset; free some and resume', false, { cause: error });
  return new TaskFailure('bad_dataset', error instanceof Error ? error.message : String(error), false, { cause: error });
}
