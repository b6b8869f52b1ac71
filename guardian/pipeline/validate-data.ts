import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { readTree } from '../../core/blobs/tree.ts';
import { isForgeError } from '../../core/errors.ts';
import { StepResultSchema, type StepRequest, type StepResult, type ValidateDataStep } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { parseChatRow } from '../../core/training-file/chat-row.ts';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { createBreather } from '../dataset/breather.ts';
import { createWindowReader, windowTokens } from '../dataset/full/tokens.ts';
import { createWindowSet } from '../dataset/full/window-set.ts';

/**
 * Looks at a dataset as it lies in the store, before a GPU spends hours on it: every row in form, enough of them, and
 * nothing held out that training shows as well.
 * @throws TaskFailure bad_dataset (what is wrong), input_missing; the signal's reason
 */
export async function validateData(request: StepRequest, blobs: BlobStore, signal: AbortSignal): Promise<StepResult> {
  if (request.action.case !== 'validateData') throw new TaskFailure('bad_config', 'the request is no validation', false);
  const wanted = request.action.value;
  const reader = createWindowReader();
  const heldOut = createWindowSet();
  // A text that is too short for a window can't be told from chance.
  let leaksChecked = 0n;
  const heldout = await eachRow(wanted, 'heldout.jsonl', blobs, signal, (texts) => {
    const windows = reader.read(texts);
    if (windows.length > 0) leaksChecked += 1n;
    for (const window of windows) heldOut.add(window);
  });
  let leak: number | undefined;
  const train = await eachRow(wanted, 'train.jsonl', blobs, signal, (texts, line) => {
    if (leak === undefined && reader.read(texts).some((window) => heldOut.has(window))) leak = line;
  });
  if (train < wanted.minTrainExamples || heldout < wanted.minHeldoutExamples) {
    throw new TaskFailure('bad_dataset', `too little to learn from: ${train} examples to train on and ${heldout} held out; at least ${wanted.minTrainExamples} and ${wanted.minHeldoutExamples} are needed`, false);
  }
  if (leak !== undefined) throw new TaskFailure('bad_dataset', `train.jsonl line ${leak} shows ${windowTokens} tokens in a row that are held out: what is measured on them would say nothing`, false);
  return create(StepResultSchema, { kind: { case: 'validation', value: { trainExamples: train, heldoutExamples: heldout, leaksChecked } } });
}

async function eachRow({ datasetDigest }: ValidateDataStep, name: string, blobs: BlobStore, signal: AbortSignal, see: (texts: string[], line: number) => void): Promise<bigint> {
  const breathe = createBreather(signal);
  let rows = 0n;
  let number = 0;
  let input: Readable | undefined;
  try {
    const file = (await readTree(blobs, datasetDigest)).files.find(({ path }) => path === name);
    if (file === undefined) throw new TaskFailure('bad_dataset', `the dataset has no ${name}`, false);
    input = Readable.from(blobs.read(file.digest));
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      await breathe();
      number += 1;
      if (line === '') continue;
      const row = parseChatRow(line, number);
      if (typeof row === 'string') throw new TaskFailure('bad_dataset', `${name} line ${number}: ${row}`, false);
      see(row.messages.map(({ content }) => content), number);
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
