import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getTree } from '../../core/blobs/tree.ts';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { ForgeError } from '../../core/errors.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { awaitTask } from './await-task.ts';
import { completedJob, ensureTask, evaluateSpec, expectCompleted } from './follow-up.ts';
import { jobPaths, shownPath } from './paths.ts';

export interface ValidateDeps {
  ledger: Ledger;
  blobs: BlobStore;
  jobsDir: string;
  waitMs: number;
}

/**
 * Evaluates the job's model on its held-out examples, once: asked again it gives the same figures. It passes when the
 * held-out perplexity is below the base model's with the whole 95 % interval of the paired bootstrap above 0.
 */
export async function validate({ ledger, blobs, jobsDir, waitMs }: ValidateDeps, jobId: string, signal: AbortSignal) {
  const job = await completedJob(ledger, jobId, 'validated');
  const taskId = `${jobId}.evaluate`;
  await ensureTask(ledger, taskId, job.project, evaluateSpec(jobId));
  const { result } = expectCompleted(await awaitTask(ledger, taskId, waitMs, signal), 'the evaluation');
  if (result.kind.case !== 'evaluate') throw new ForgeError('internal', `${taskId} ended without an evaluation`);
  const { loss, perplexity, basePerplexity, tokens, examples, margin, marginInterval, reportDigest } = result.kind.value;
  const { validation } = jobPaths(jobsDir, jobId);
  await getTree(blobs, reportDigest, validation);
  const report = join(validation, 'validation_report.md');
  await copyFile(join(validation, 'report.md'), report);
  return {
    jobId,
    passed: marginInterval !== undefined && marginInterval.low > 0,
    metrics: { finalLoss: loss, perplexity, basePerplexity, tokens, examples, margin, marginLow: marginInterval?.low, marginHigh: marginInterval?.high },
    reportPath: shownPath(report),
  };
}
