import { ForgeError } from '../errors.ts';
import type { Ledger } from '../store/ledger.ts';
import { pipelineAggregate } from './pipeline.ts';
import type { Pipeline } from './state.ts';

/** The pipeline, read at the leader when it is not known here. @throws ForgeError not_found */
export async function findPipeline(ledger: Ledger, jobId: string): Promise<Pipeline> {
  const { state } = await ledger.find(pipelineAggregate, jobId);
  if (state.status === 'none') throw new ForgeError('not_found', `job_id: there is no pipeline "${jobId.slice(0, 100)}"`, { field: 'job_id' });
  return state;
}
