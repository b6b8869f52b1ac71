import { ForgeError } from '../errors.ts';
import type { Ledger } from '../store/ledger.ts';
import { pipelineAggregate } from './pipeline.ts';
import type { Pipeline } from './state.ts';

/** Longer than any id that is given out, and short enough for a subject. */
const maxIdLength = 200;

/** The pipeline, read at the leader when it is not known here. @throws ForgeError not_found */
export async function findPipeline(ledger: Ledger, jobId: string): Promise<Pipeline> {
  let { state } = ledger.head(pipelineAggregate, jobId);
  if (state.status === 'none' && jobId.length <= maxIdLength) state = (await ledger.refresh(pipelineAggregate, jobId)).state;
  if (state.status === 'none') throw new ForgeError('not_found', `job_id: there is no pipeline "${jobId.slice(0, 100)}"`, { field: 'job_id' });
  return state;
}
