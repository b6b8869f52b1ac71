import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { ForgeError } from '../../core/errors.ts';
import type { Pipeline } from '../../core/pipeline/state.ts';
import { readTextFile } from '../read-text-file.ts';

/** The evaluation's report with the gate's verdict. @throws ForgeError wrong_state before the gate has decided */
export async function retrainReport(pipeline: Pipeline, blobs: BlobStore): Promise<{ jobId: string; report: string }> {
  if (pipeline.gate === undefined) throw new ForgeError('wrong_state', `job_id: ${pipeline.id} is ${pipeline.status} and has no report yet: its evaluation must be completed first`, { field: 'job_id' });
  return { jobId: pipeline.id, report: await readTextFile(blobs, pipeline.gate.reportDigest, 'report.md') };
}
