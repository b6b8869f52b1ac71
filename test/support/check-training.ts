import { createHash } from 'node:crypto';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { readTree } from '../../core/blobs/tree.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';

interface Trained {
  step: number;
  chain: string;
  first: string;
  made: { step: number; pid: number }[];
}

/** What the stepping trainer left in the adapter of a job; undefined when the job did not complete. */
export async function trainedState(blobs: BlobStore, history: readonly StoredEnvelope[], jobId: string): Promise<Trained | undefined> {
  const completed = history.filter((stored) => stored.id === jobId).flatMap((stored) => stored.envelope.events).find((event) => event.kind.case === 'taskCompleted')?.kind;
  const result = completed?.case === 'taskCompleted' ? completed.value.result?.kind : undefined;
  if (result?.case !== 'train') return undefined;
  const file = (await readTree(blobs, result.value.adapterDigest)).files.find((candidate) => candidate.path === 'state.json');
  const chunks: Uint8Array[] = [];
  for await (const chunk of blobs.read(file!.digest)) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as Trained;
}

/**
 * Whether the adapter is what an undisturbed training would have made, whoever made which of its steps.
 * @returns what is wrong, as sentences
 */
export function checkTrained(trained: Trained, steps: number): string[] {
  const problems: string[] = [];
  let chain = trained.first;
  for (let step = 1; step <= steps; step++) chain = createHash('sha256').update(`${chain} ${step}`).digest('hex');
  if (trained.step !== steps) problems.push(`the adapter is of step ${trained.step}, not ${steps}`);
  if (trained.chain !== chain) problems.push('the adapter is not what its steps come to');
  if (trained.made.some(({ step }, index) => step !== index + 1) || trained.made.length !== steps) problems.push(`its steps are ${trained.made.map(({ step }) => step).join(' ')}`);
  return problems;
}
