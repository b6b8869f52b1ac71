import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { readTree } from '../../core/blobs/tree.ts';
import { isForgeError } from '../../core/errors.ts';
import { StepResultSchema, type StepRequest, type StepResult, type ValidateDataStep } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { parseChatRow } from '../training-file/row.ts';
import { createOverlapFinder, overlapTokens } from './overlap.ts';

/**
 * Looks at a dataset as it lies in the store, before a GPU spends hours on it: every row in form, enough of them, and
 * nothing held out that training shows as well.
 * @throws TaskFailure bad_dataset (what is wrong), input_missing
 */
export async function validateData(request: StepRequest, blobs: BlobStore): Promise<StepResult> {
  if (request.action.case !== 'validateData') throw new TaskFailure('bad_config', 'the request is no validation', false);
  const wanted = request.action.value;
  const finder = createOverlapFinder();
  const heldout = await eachRow(wanted, 'heldout.jsonl', blobs, (text) => finder.add(text));
  let leak: number | undefined;
  const train = await eachRow(wanted, 'train.jsonl', blobs, (text, line) => {
    if (leak === undefined && finder.overlaps(text)) leak = line;
  });
  if (train < wanted.minTrainExamples || heldout < wanted.minHeldoutExamples) {
    throw new TaskFailure('bad_dataset', `too little to learn from: ${train} examples to train on and ${heldout} held out; at least ${wanted.minTrainExamples} and ${wanted.minHeldoutExamples} are needed`, false);
  }
  if (leak !== undefined) throw new TaskFailure('bad_dataset', `train.jsonl line ${leak} shows ${overlapTokens} tokens in a row that are held out: what is measured on them would say nothing`, false);
  return create(StepResultSchema, { kind: { case: 'validation', value: { trainExamples: train, heldoutExamples: heldout, leaksChecked: heldout } } });
}

async function eachRow({ datasetDigest }: ValidateDataStep, name: string, blobs: BlobStore, see: (text: string, line: number) => void): Promise<bigint> {
  let rows = 0n;
  let number = 0;
  let input: Readable | undefined;
  try {
    const file = (await readTree(blobs, datasetDigest)).files.find(({ path }) => path === name);
    if (file === undefined) throw new TaskFailure('bad_dataset', `the dataset has no ${name}`, false);
    input = Readable.from(blobs.read(file.digest));
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      number += 1;
      if (line === '') continue;
      const row = parseChatRow(line, number);
      if (typeof row === 'string') throw new TaskFailure('bad_dataset', `${name} line ${number}: ${row}`, false);
      see(row.messages.map(({ content }) => content).join('\n'), number);
      rows += 1n;
    }
  } catch (error) {
    if (isForgeError(error)) throw new TaskFailure('input_missing', `the dataset ${datasetDigest} can't be read: ${error.message}`, false, { cause: error });
    throw error;
  } finally {
    // Where a row ends the look, the rest is left unread: only this closes its file.
    input?.destroy();
  }
  return rows;
}
