import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { blobPath } from '../../core/blobs/blob-files.ts';
import { Altered, type BlobStore } from '../../core/blobs/blob-store.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { sweepTemporary } from '../../core/blobs/sweep.ts';
import { getTree, hasTree, putTree } from '../../core/blobs/tree.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { blobGateway } from '../support/blob-gateway.ts';
import { makeFolder } from '../support/repository.ts';

interface Subject {
  store: BlobStore;
  /** Where the blobs lie in the end. */
  root: string;
  /** The same blobs as seen by another host. */
  elsewhere(): Promise<BlobStore>;
}

const subjects: Record<string, (t: Test) => Promise<Subject>> = {
  async 'file system'(t) {
    const root = await makeFolder(t);
    return { root, store: createFileBlobStore(root), elsewhere: async () => createFileBlobStore(root) };
  },
  async 'a gateway over HTTP'(t) {
    const { root, elsewhere } = await blobGateway(t);
    return { root, store: (await elsewhere()).store, elsewhere: async () => (await elsewhere()).store };
  },
};

async function leftovers(root: string): Promise<string[]> {
  return (await Promise.all(['tmp', 'uploads'].map((folder) => readdir(join(root, folder)).catch(() => [])))).flat();
}

for (const [name, open] of Object.entries(subjects)) {
  t.test(`${name}: a blob is its bytes, whole or not at all`, async (t) => {
    const { store, root, elsewhere } = await open(t);
    const bytes = Buffer.from('some bytes');
    const blob = await store.put([bytes.subarray(0, 4), bytes.subarray(4)]);
    t.strictSame(blob, { digest: sha256Hex(bytes), size: bytes.length });
    t.strictSame(await store.put([bytes]), blob, 'the same bytes again are the same blob');
    t.strictSame(await store.put([bytes], blob.digest), blob);
    await t.rejects(store.put([Buffer.from('other bytes')], blob.digest), Altered, 'bytes of another digest are not stored');
    t.equal(await store.stat(sha256Hex('other bytes')), undefined);
    await t.rejects(store.put((function* () { yield bytes; throw new Error('the source broke'); })()), { message: 'the source broke' });
    t.strictSame(await leftovers(root), [], 'nothing half-written stays');
    t.strictSame(await readFile(blobPath(root, blob.digest)), bytes);
    const empty = await store.put([]);
    t.strictSame(await store.stat(empty.digest), { digest: sha256Hex(''), size: 0 });

    const other = await elsewhere();
    t.strictSame(await other.stat(blob.digest), blob);
    t.equal(Buffer.concat(await Array.fromAsync(other.read(blob.digest))).toString(), 'some bytes');
    t.equal(Buffer.concat(await Array.fromAsync(other.read(blob.digest, { start: 2, end: 5 }))).toString(), 'me b');
    const copy = join(await makeFolder(t), 'copy');
    await other.materialize(blob.digest, copy);
    t.strictSame(await readFile(copy), bytes);
    await other.materialize(empty.digest, copy);
    t.equal((await readFile(copy)).length, 0);
    await t.rejects(other.materialize('0'.repeat(64), copy), { code: 'not_found' });
    await t.rejects(Array.fromAsync(other.read('0'.repeat(64))), { code: 'not_found' });
    await t.rejects(other.stat('../../etc/passwd'), { code: 'invalid_argument' });
    await store.remove(blob.digest);
    t.equal(await other.stat(blob.digest), undefined);
    await store.remove(blob.digest);
  });

  t.test(`${name}: a blob that was altered or cut off is found before it is used`, async (t) => {
    const { store, root, elsewhere } = await open(t);
    const blob = await store.put([Buffer.from('some bytes')]);
    for (const bytes of ['some bytez', 'some', '', 'some bytes and more']) {
      await writeFile(blobPath(root, blob.digest), bytes);
      const folder = await makeFolder(t);
      await t.rejects((await elsewhere()).materialize(blob.digest, join(folder, 'file')), Altered, `"${bytes}"`);
      t.strictSame(await readdir(folder), [], 'and leaves nothing');
      t.equal(await (await elsewhere()).stat(blob.digest), undefined, 'so that storing it brings it back');
      await (await elsewhere()).put([Buffer.from('some bytes')]);
      t.equal(await readFile(blobPath(root, blob.digest), 'utf8'), 'some bytes');

      await writeFile(blobPath(root, blob.digest), bytes);
      await (await elsewhere()).materialize(blob.digest, join(folder, 'file')).catch(() => {});
      await store.put([Buffer.from('some bytes')]);
      t.equal(await readFile(blobPath(root, blob.digest), 'utf8'), 'some bytes', 'also by whoever has stored it before');
    }
  });

  t.test(`${name}: a blob that was stored lately is not removed`, async (t) => {
    const { store, root } = await open(t);
    const bytes = Buffer.from('some bytes');
    const blob = await store.put([bytes]);
    const path = blobPath(root, blob.digest);
    const hourAgo = Date.now() - 3_600_000;
    const age = () => utimes(path, new Date(hourAgo - 1_000), new Date(hourAgo - 1_000));
    t.equal(await store.removeUntouched(blob.digest, hourAgo), 'spared');
    await age();
    await store.put([bytes]);
    t.equal(await store.removeUntouched(blob.digest, hourAgo), 'spared', 'storing what is there touches it');
    await age();
    t.strictSame(await store.removeUntouched(blob.digest, hourAgo), blob);
    t.equal(await store.stat(blob.digest), undefined);
    t.equal(await store.removeUntouched(blob.digest, hourAgo), undefined, 'it is gone');

    // Whoever stores it while it is removed has it afterwards, whichever comes first.
    for (let n = 0; n < 50; n++) {
      await store.put([bytes]);
      await age();
      await Promise.all([store.removeUntouched(blob.digest, hourAgo), store.put([bytes])]);
      if ((await store.stat(blob.digest)) === undefined) t.fail('stored, and not there');
    }
    t.strictSame(await leftovers(root), []);
  });

  t.test(`${name}: a tree is a folder, and names nothing outside itself`, async (t) => {
    const { store, elsewhere } = await open(t);
    const folder = await makeFolder(t);
    await mkdir(join(folder, 'b'));
    await writeFile(join(folder, 'b', 'file'), 'one');
    await writeFile(join(folder, 'a'), 'two');
    const digest = await putTree(store, folder);
    const copy = await makeFolder(t);
    const other = await elsewhere();
    await getTree(other, digest, copy);
    t.strictSame((await readdir(copy, { recursive: true })).sort(), ['a', 'b', join('b', 'file')]);
    t.equal(await putTree(store, copy), digest, 'equal folders have one digest');
    t.equal(await hasTree(store, digest), true);
    await store.remove(sha256Hex('one'));
    t.equal(await hasTree(other, digest), false, 'a tree that lacks a file is not there');
    for (const path of ['../out', '/etc/x', '']) {
      const evil = await store.put([Buffer.from(JSON.stringify({ files: [{ path, size: 3, digest: sha256Hex('two') }] }))]);
      await t.rejects(getTree(store, evil.digest, copy), { code: 'internal' }, `"${path}"`);
    }
  });
}

t.test('what killed writers left, and uploads that nobody went on with, go after a day', async (t) => {
  const root = await makeFolder(t);
  const now = Date.now();
  for (const folder of ['tmp', 'uploads']) {
    await mkdir(join(root, folder));
    for (const name of ['old', 'young']) await writeFile(join(root, folder, name), '');
    await utimes(join(root, folder, 'old'), new Date(now - 25 * 3_600_000), new Date(now - 25 * 3_600_000));
  }
  // Neither this nor anything else keeps it from the rest.
  await mkdir(join(root, 'tmp', 'a folder'));
  await utimes(join(root, 'tmp', 'a folder'), new Date(now - 25 * 3_600_000), new Date(now - 25 * 3_600_000));
  t.match(await sweepTemporary(root, now), [/a folder/]);
  t.strictSame(await leftovers(root), ['a folder', 'young', 'young']);
  await rm(join(root, 'uploads'), { recursive: true });
  await writeFile(join(root, 'uploads'), 'no folder');
  t.match(await sweepTemporary(root, now), [/a folder/, /ENOTDIR/]);
});
