import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { readTree } from '../../core/blobs/tree.ts';
import { ForgeError, invalid } from '../../core/errors.ts';
import type { DatasetSampleSchema, ListDatasetSamplesRequest, ListDatasetSamplesResponseSchema } from '../../core/gen/aiforge/v1/dataset_pb.ts';
import { pageSizeOf } from '../page.ts';

type Sample = MessageInitShape<typeof DatasetSampleSchema>;

/**
 * A page of a dataset's rows, in their order; the page token is the number of the last line of the page before. At most
 * one line is in memory beside the page.
 * @throws ForgeError invalid_argument, not_found
 */
export async function listSamples(blobs: BlobStore, datasetDigest: string, request: ListDatasetSamplesRequest): Promise<MessageInitShape<typeof ListDatasetSamplesResponseSchema>> {
  const split = request.split ?? 'train';
  if (split !== 'train' && split !== 'heldout') throw invalid('split', `must be train or heldout, not "${split.slice(0, 40)}"`);
  const size = pageSizeOf(request);
  const from = request.pageToken === undefined || request.pageToken === '' ? 0 : Number(request.pageToken);
  if (!Number.isSafeInteger(from) || from < 0) throw invalid('page_token', 'must be the next_page_token of a list with the same filters');
  const file = (await readTree(blobs, datasetDigest)).files.find(({ path }) => path === `${split}.jsonl`);
  if (file === undefined) throw new ForgeError('not_found', `the dataset has no ${split}.jsonl`);
  const samples: Sample[] = [];
  let line = 0;
  let last = 0;
  for await (const text of createInterface({ input: Readable.from(blobs.read(file.digest)), crlfDelay: Infinity })) {
    line += 1;
    if (line <= from || text === '') continue;
    const sample = sampleOf(text);
    if (request.kind !== undefined && sample.kind !== request.kind) continue;
    if (samples.length === size) return { samples, nextPageToken: String(last) };
    samples.push(sample);
    last = line;
  }
  return { samples, nextPageToken: '' };
}

function sampleOf(text: string): Sample {
  const row = JSON.parse(text) as { messages: { role: string; content: string }[]; kind?: string; path?: string; start_line?: number; end_line?: number; reason?: string };
  const messages = row.messages.map(({ role, content }) => ({ role, content }));
  return { messages, kind: row.kind ?? '', path: row.path ?? '', startLine: row.start_line ?? 0, endLine: row.end_line ?? 0, reason: row.reason ?? '' };
}
