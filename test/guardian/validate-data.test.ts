import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { putTree, readTree } from '../../core/blobs/tree.ts';
import { StepRequestSchema } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { minHeldoutExamples, minTrainExamples } from '../../core/pipeline/step-request.ts';
import { validateData } from '../../guardian/pipeline/validate-data.ts';
import { makeFolder } from '../support/repository.ts';

t.setTimeout(60_000);

const { signal } = new AbortController();

const row = (answer: string, question = 'Go on'): string => JSON.stringify({ messages: [{ role: 'user', content: question }, { role: 'assistant', content: answer }] });
/** A text of so many tokens that no other name has. */
const words = (name: string, count: number): string => Array.from({ length: count }, (_, n) => `${name}${n}`).join(' ');
const trainRows = Array.from({ length: 16 }, (_, n) => row(words(`train_${n}_`, 80)));
const heldoutRows = Array.from({ length: 2 }, (_, n) => row(words(`heldout_${n}_`, 80)));

/** A dataset in a store of its own. */
async function store(t: Test, files: Record<string, string[]>): Promise<{ blobs: BlobStore; digest: string }> {
  const folder = await makeFolder(t);
  const dataset = join(folder, 'dataset');
  await mkdir(dataset);
  for (const [name, rows] of Object.entries(files)) await writeFile(join(dataset, name), rows.map((each) => `${each}\n`).join(''));
  const blobs = createFileBlobStore(join(folder, 'blobs'));
  return { blobs, digest: await putTree(blobs, dataset) };
}
const requestOf = (datasetDigest: string) => create(StepRequestSchema, { action: { case: 'validateData', value: { datasetDigest, minTrainExamples, minHeldoutExamples } } });
async function validate(t: Test, train: string[], heldout = heldoutRows) {
  const { blobs, digest } = await store(t, { 'train.jsonl': train, 'heldout.jsonl': heldout });
  return validateData(requestOf(digest), blobs, signal);
}
const bad = (message: RegExp) => ({ name: 'TaskFailure', code: 'bad_dataset', retryable: false, message });

t.test('a good dataset', async (t) => {
  t.match(await validate(t, trainRows), { kind: { case: 'validation', value: { trainExamples: 16n, heldoutExamples: 2n, leaksChecked: 2n } } });
  t.match(await validate(t, [...trainRows, '']), { kind: { value: { trainExamples: 16n } } }, 'an empty line is no row');
});

t.test('too little to learn from', async (t) => {
  await t.rejects(validate(t, trainRows.slice(1)), bad(/^too little to learn from: 15 examples to train on and 2 held out; at least 16 and 2 are needed$/));
  await t.rejects(validate(t, trainRows, heldoutRows.slice(1)), bad(/16 examples to train on and 1 held out/));
  await t.rejects(validate(t, [], []), bad(/0 examples to train on and 0 held out/));
});

t.test('a row out of form is named', async (t) => {
  await t.rejects(validate(t, [...trainRows.slice(0, 4), '{"messages": 1}', ...trainRows]), bad(/^train\.jsonl line 5: "messages" must be a list/));
  await t.rejects(validate(t, ['', 'no JSON', ...trainRows]), bad(/^train\.jsonl line 2: is not JSON/), 'lines that are empty count');
  await t.rejects(validate(t, trainRows, [row('x'), '{}']), bad(/^heldout\.jsonl line 2: /));
});

t.test('text that training and held-out examples share is a leak', async (t) => {
  const shared = words('heldout_0_', 80).split(' ');
  const leak = (from: number, count: number) => row(`${words('before', 10)} ${shared.slice(from, from + count).join(' ')} ${words('behind', 10)}`);
  await t.rejects(validate(t, [...trainRows, leak(10, 50), leak(0, 80)]), bad(/^train\.jsonl line 17 shows 50 tokens in a row that are held out/), 'the first line is named');
  t.match(await validate(t, [...trainRows, leak(10, 49)]), { kind: { case: 'validation' } }, '49 tokens may be chance');
  await t.rejects(validate(t, [...trainRows, row('x', words('heldout_1_', 60))]), bad(/^train\.jsonl line 17 /), 'in the question too');
  await t.rejects(validate(t, [...trainRows, row(shared.slice(0, 60).join('\n\t  '))]), bad(/^train\.jsonl line 17 /), 'however it is spaced');
});

t.test('what is missing is said', async (t) => {
  const { blobs, digest } = await store(t, { 'train.jsonl': trainRows });
  await t.rejects(validateData(requestOf(digest), blobs, signal), bad(/^the dataset has no heldout\.jsonl$/));
  const missing = { name: 'TaskFailure', code: 'input_missing', retryable: false };
  await t.rejects(validateData(requestOf('0'.repeat(64)), blobs, signal), { ...missing, message: /^the dataset 0{64} can't be read: / }, 'the whole dataset');
  for (const name of ['train.jsonl', 'heldout.jsonl']) {
    const whole = await store(t, { 'train.jsonl': trainRows, 'heldout.jsonl': heldoutRows });
    await whole.blobs.remove((await readTree(whole.blobs, whole.digest)).files.find(({ path }) => path === name)!.digest);
    await t.rejects(validateData(requestOf(whole.digest), whole.blobs, signal), missing, name);
  }
  await t.rejects(validateData(create(StepRequestSchema), blobs, signal), { code: 'bad_config' }, 'a request for something else');
});

t.test('what was opened is closed, also where a row ends the look', async (t) => {
  const { blobs, digest } = await store(t, { 'train.jsonl': ['no JSON', ...Array.from({ length: 5_000 }, () => trainRows[0]!)], 'heldout.jsonl': heldoutRows });
  const { digest: train } = (await readTree(blobs, digest)).files.find(({ path }) => path === 'train.jsonl')!;
  const closed = Promise.withResolvers<void>();
  const watched: BlobStore = {
    ...blobs,
    async *read(digest) {
      try {
        yield* blobs.read(digest);
      } finally {
        if (digest === train) closed.resolve();
      }
    },
  };
  await t.rejects(validateData(requestOf(digest), watched, signal), bad(/line 1: is not JSON/));
  await closed.promise;
});

t.test('what is compared are runs of 50 tokens', async (t) => {
  const rows = (texts: string[]) => texts.map((text) => row(text));
  const checked = async (train: string[], heldout: string[]) => {
    const { kind } = await validate(t, [...trainRows, ...rows(train)], [...heldoutRows, ...rows(heldout)]);
    return kind.case === 'validation' ? kind.value.leaksChecked : undefined;
  };
  const question = 2; // The tokens of "Go on".
  t.equal(await checked([words('a', 49 - question)], [words('a', 49 - question)]), 2n, 'a text of 49 is too short to say anything, and is not counted');
  t.equal(await checked([words('b', 60)], [words('c', 50 - question)]), 3n, 'one of 50 is');
  await t.rejects(checked(['{}'.repeat(25)], ['{ } '.repeat(30)]), bad(/^train\.jsonl line 17 /), 'each mark is a token');
});

t.test('a large dataset leaves room for others, and is put down at once', async (t) => {
  const rows = (name: string, count: number) => Array.from({ length: count }, (_, n) => row(words(`${name}${n}x`, 150)));
  const train = rows('train', 6_000);
  const { blobs, digest } = await store(t, { 'train.jsonl': train, 'heldout.jsonl': rows('heldout', 600) });
  const started = performance.now();
  let longest = 0;
  let last = started;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 10);
  t.match(await validateData(requestOf(digest), blobs, signal), { kind: { value: { trainExamples: 6_000n, leaksChecked: 600n } } });
  clearInterval(timer);
  t.comment(`${(train.join('').length / 1e6).toFixed(1)} MB in ${((performance.now() - started) / 1000).toFixed(2)} s, the longest gap ${longest.toFixed(0)} ms`);
  t.ok(longest < 1_000, 'the gateway takes 2 s of silence for absence');

  const stopping = new AbortController();
  const { digest: trainDigest } = (await readTree(blobs, digest)).files.find(({ path }) => path === 'train.jsonl')!;
  let bytes = 0;
  const watched: BlobStore = {
    ...blobs,
    async *read(of) {
      for await (const chunk of blobs.read(of)) {
        if (of === trainDigest) {
          bytes += chunk.length;
          stopping.abort(new Error('the guardian goes down'));
        }
        yield chunk;
      }
    },
  };
  await t.rejects(validateData(requestOf(digest), watched, stopping.signal), /the guardian goes down/);
  t.ok(bytes < train.join('').length / 2, `only ${bytes} bytes were read`);
});
