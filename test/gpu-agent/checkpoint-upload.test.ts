import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { getTree } from '../../core/blobs/tree.ts';
import { createCheckpointUpload } from '../../gpu-agent/checkpoint-upload.ts';

t.setTimeout(30_000);

interface Stored {
  step: number;
  digest: string;
}

/** An upload into real blobs whose report of the first checkpoint waits for `gate`, and fails where that does. */
async function scene(t: Test) {
  const workDir = await mkdtemp(join(tmpdir(), 'forge-upload-'));
  t.teardown(() => rm(workDir, { recursive: true }));
  const blobs: BlobStore = createFileBlobStore(join(workDir, 'blobs'));
  const stored: Stored[] = [];
  let reports = 0;
  const first = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const upload = createCheckpointUpload(blobs, {
    workDir,
    urgent: new AbortController().signal,
    async checkpoint(report) {
      first.resolve();
      if (reports++ === 0) await gate.promise;
      stored.push({ step: Number(report.step), digest: report.digest! });
    },
  });
  const make = async (step: number): Promise<string> => {
    const path = join(workDir, 'output', `step-${step}`);
    await mkdir(join(path, 'inner'), { recursive: true });
    await writeFile(join(path, 'state.json'), String(step));
    await writeFile(join(path, 'inner', 'tensors'), `tensors of ${step}`);
    return path;
  };
  const add = (step: number, path: string): void => upload.add({ type: 'checkpoint', path, step, epoch: step / 10, seconds: 0 });
  return { workDir, blobs, upload, stored, first: first.promise, gate, make, add };
}

t.test('a checkpoint that the trainer removes before it is read is stored whole all the same', async (t) => {
  const { workDir, blobs, upload, stored, first, gate, make, add } = await scene(t);
  add(1, await make(1));
  await first;
  const path = await make(2);
  add(2, path);
  await rm(path, { recursive: true });
  gate.resolve();
  await upload.settled();
  t.same(stored.map(({ step }) => step), [1, 2]);
  const back = join(workDir, 'back');
  await getTree(blobs, stored[1]!.digest, back);
  t.same((await readdir(back, { recursive: true })).sort(), ['inner', 'inner/tensors', 'state.json']);
  t.same(await readdir(join(workDir, 'checkpoints-to-store')), [], 'nothing is kept once it is stored');
});

t.test('the error of a checkpoint does not outlive a later one that is stored', async (t) => {
  const { workDir, upload, stored, gate, make, add } = await scene(t);
  gate.resolve();
  add(1, join(workDir, 'gone'));
  await t.rejects(upload.settled(), { code: 'ENOENT' });
  add(2, await make(2));
  await upload.settled();
  t.same(stored.map(({ step }) => step), [2]);
});

t.test('a checkpoint that comes while one fails is stored', async (t) => {
  const { upload, stored, first, gate, make, add } = await scene(t);
  add(1, await make(1));
  await first;
  add(2, await make(2));
  add(3, await make(3));
  gate.reject(new Error('not accepted'));
  await upload.settled();
  t.same(stored.map(({ step }) => step), [3], 'only the latest of those that waited');
});

t.test('an older one that is stored does not hide that the latest was lost', async (t) => {
  const { workDir, upload, stored, first, gate, make, add } = await scene(t);
  add(1, await make(1));
  await first;
  add(2, join(workDir, 'gone'));
  gate.resolve();
  await t.rejects(upload.settled(), { code: 'ENOENT' });
  t.same(stored.map(({ step }) => step), [1]);
});
