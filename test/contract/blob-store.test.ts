import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { sweepTemporary } from '../../core/blobs/sweep.ts';
import { getTree, hasTree, putTree } from '../../core/blobs/tree.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { makeFolder } from '../support/repository.ts';

t.test('a blob is its bytes, whole or not at all', async (t) => {
  const root = await makeFolder(t);
  const store = createFileBlobStore(root);
  const bytes = Buffer.from('some bytes');
  const blob = await store.put([bytes.subarray(0, 4), bytes.subarray(4)]);
  t.strictSame(blob, { digest: sha256Hex(bytes), size: bytes.length });
  t.strictSame(await store.put([bytes]), blob, 'the same bytes again are the same blob');
  await t.rejects(store.put((function* () { yield bytes; throw new Error('the source broke'); })()), { message: 'the source broke' });
  t.strictSame(await readdir(join(root, 'tmp')), [], 'nothing half-written stays');
  const copy = join(await makeFolder(t), 'copy');
  await store.materialize(blob.digest, copy);
  t.strictSame(await readFile(copy), bytes);
  await t.rejects(store.materialize('0'.repeat(64), copy), { code: 'not_found' });
  await t.rejects(store.stat('../../etc/passwd'), { code: 'invalid_argument' });
  await writeFile(join(root, 'sha256', blob.digest.slice(0, 2), blob.digest), 'other byte');
  await t.rejects(store.materialize(blob.digest, join(root, 'altered')), { code: 'internal', message: /altered/ });
});

t.test('a blob that was stored lately is not removed', async (t) => {
  const root = await makeFolder(t);
  const store = createFileBlobStore(root);
  const bytes = Buffer.from('some bytes');
  const blob = await store.put([bytes]);
  const path = join(root, 'sha256', blob.digest.slice(0, 2), blob.digest);
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
  t.strictSame(await readdir(join(root, 'tmp')), []);
});

t.test('a tree is a folder, and names nothing outside itself', async (t) => {
  const store = createFileBlobStore(await makeFolder(t));
  const folder = await makeFolder(t);
  await mkdir(join(folder, 'b'));
  await writeFile(join(folder, 'b', 'file'), 'one');
  await writeFile(join(folder, 'a'), 'two');
  const digest = await putTree(store, folder);
  const copy = await makeFolder(t);
  await getTree(store, digest, copy);
  t.strictSame((await readdir(copy, { recursive: true })).sort(), ['a', 'b', join('b', 'file')]);
  t.equal(await putTree(store, copy), digest, 'equal folders have one digest');
  t.equal(await hasTree(store, digest), true);
  await store.remove(sha256Hex('one'));
  t.equal(await hasTree(store, digest), false, 'a tree that lacks a file is not there');
  for (const path of ['../out', '/etc/x', '']) {
    const evil = await store.put([Buffer.from(JSON.stringify({ files: [{ path, size: 3, digest: sha256Hex('two') }] }))]);
    await t.rejects(getTree(store, evil.digest, copy), { code: 'internal' }, `"${path}"`);
  }
});

t.test('what killed writers left goes after a day', async (t) => {
  const root = await makeFolder(t);
  await mkdir(join(root, 'tmp'));
  for (const name of ['old', 'young']) await writeFile(join(root, 'tmp', name), '');
  const now = Date.now();
  await utimes(join(root, 'tmp', 'old'), new Date(now - 25 * 3_600_000), new Date(now - 25 * 3_600_000));
  await sweepTemporary(root, now);
  t.strictSame(await readdir(join(root, 'tmp')), ['young']);
});
