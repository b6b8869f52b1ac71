import { utimes, writeFile } from 'node:fs/promises';
import t from 'tap';
import { blobPath, listBlobs } from '../../core/blobs/blob-files.ts';
import { createBlobCache } from '../../core/blobs/http/cache.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { makeFolder } from '../support/repository.ts';

const hourAgo = Date.now() - 3_600_000;

t.test('a cache keeps to its size, and what was used last', async (t) => {
  const root = await makeFolder(t);
  const cache = createBlobCache(root, 3_500);
  const blobs = await Array.fromAsync([0, 1, 2, 3, 4], (n) => cache.store.put([Buffer.alloc(1000, n)]));
  const kept = async (): Promise<string[]> => (await Array.fromAsync(listBlobs(root), (blob) => blob.digest)).sort();
  const [first, second, , fourth, last] = blobs.map((blob) => blob.digest);
  await cache.using(first!, async () => {});
  await cache.settled();
  t.equal((await kept()).length, 5, 'what was stored a moment ago stays, whatever the size');

  for (const [n, { digest }] of blobs.entries()) await utimes(blobPath(root, digest), new Date(hourAgo), new Date(hourAgo + n * 1000));
  await cache.using(second!, async () => {
    t.equal(await cache.holds(first!), true, 'to look for one is to use it');
    await cache.using(last!, async () => {});
    await cache.settled();
    t.same(await kept(), [first, second, last].sort(), 'what is in use stays too');
    await cache.drop(second!);
    await cache.drop(last!);
    t.same(await kept(), [first, second].sort());
  });
  t.equal(await cache.holds(fourth!), false);
});

t.test('what was altered on this disk is dropped', async (t) => {
  const root = await makeFolder(t);
  const { digest } = await createBlobCache(root, 1e6).store.put([Buffer.from('bytes')]);
  t.equal(await createBlobCache(root, 1e6).holds(digest), true);
  await writeFile(blobPath(root, digest), 'byteS');
  const cache = createBlobCache(root, 1e6);
  t.equal(await cache.holds(digest), false);
  t.equal(await cache.store.stat(digest), undefined);
});

t.test('who waits for another’s transfer is not hurt by its end', async (t) => {
  const root = await makeFolder(t);
  const cache = createBlobCache(root, 1e6);
  const bytes = Buffer.from('bytes');
  const digest = sha256Hex(bytes);
  const first = Promise.withResolvers<void>();
  const given = new AbortController();
  let transfers = 0;
  const failing = t.rejects(cache.fetch(digest, () => (transfers++, first.promise)), { message: 'its attempt is over' });
  const gaveUp = t.rejects(cache.fetch(digest, async () => void t.fail('it gave up before'), given.signal), { code: 'cancelled' });
  const others = [1, 2].map(() => cache.fetch(digest, async () => {
    transfers += 1;
    await cache.store.put([bytes], digest);
  }));
  given.abort();
  await gaveUp;
  first.reject(new Error('its attempt is over'));
  await failing;
  await Promise.all(others);
  t.equal(transfers, 2, 'and one is enough for all others');
  // Not read again: that it is here unaltered is known since it was stored.
  await writeFile(blobPath(root, digest), 'byteS');
  t.equal(await cache.holds(digest), true);
});
