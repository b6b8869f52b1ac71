// Parts of uploads while others go on with them.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { blobPath } from '../../core/blobs/blob-files.ts';
import { createPartialUploads } from '../../core/blobs/partial-uploads.ts';
import { isForgeError } from '../../core/errors.ts';
import { filesBelow } from '../support/nats.ts';
import { makeFolder } from '../support/repository.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

t.test('nobody writes to what is being hashed, and becomes a blob', async (t) => {
  const root = await makeFolder(t);
  await mkdir(join(root, 'uploads'));
  const parts = createPartialUploads(root);
  const bytes = randomBytes(8 << 20);
  const digest = sha256(bytes);
  await parts.append(digest, 'me', 0, [bytes] as never, 1 << 30);
  const completed = parts.complete(digest, 'me');
  let refused = 0;
  let open = true;
  const done = completed.finally(() => (open = false));
  // Each opens the part where it finds it, and writes when the blob is there.
  async function* late(): AsyncGenerator<Uint8Array> {
    await done;
    yield Buffer.alloc(100);
  }
  const writers: Promise<unknown>[] = [];
  while (open) {
    const writer = parts.append(digest, 'me', 0, late(), 1 << 30).catch((error: unknown) => {
      if (!isForgeError(error, 'version_conflict')) throw error;
      refused += 1;
    });
    writers.push(writer);
    await Promise.race([writer, done]);
  }
  t.strictSame(await done, { digest, size: bytes.length });
  await Promise.all(writers);
  t.ok(refused > 0, `${refused} writers were refused meanwhile`);
  t.equal(sha256(await readFile(blobPath(root, digest))), digest);
});

t.test('of two that complete an upload one does, and the other is told', async (t) => {
  const root = await makeFolder(t);
  const parts = createPartialUploads(root);
  const bytes = randomBytes(1000);
  const digest = sha256(bytes);
  await parts.append(digest, 'me', 0, [bytes] as never, 1 << 30);
  const [first, second] = await Promise.allSettled([parts.complete(digest, 'me'), parts.complete(digest, 'me')]);
  t.match([first, second], [{ value: { digest } }, { reason: { code: 'version_conflict' } }]);
  t.strictSame(await parts.begin(digest, 'me', 1000), { digest, size: 1000 });
});

t.test('what is dropped of an owner is gone, and what another has begun stays', async (t) => {
  const root = await makeFolder(t);
  const parts = createPartialUploads(root);
  await parts.drop('me');
  for (const owner of ['me', 'another']) for (const name of ['a', 'b']) await parts.append(sha256(Buffer.from(name)), owner, 0, [Buffer.from('part')] as never, 1 << 30);
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const slow = parts.append(sha256(Buffer.from('c')), 'me', 0, (async function* () {
    yield Buffer.from('one');
    begun.resolve();
    await goOn.promise;
    yield Buffer.from('two');
  })(), 1 << 30);
  const failed = t.rejects(slow, { code: 'version_conflict' });
  await begun.promise;
  await parts.drop('me');
  goOn.resolve();
  await failed;
  t.equal((await filesBelow(join(root, 'uploads'))).length, 2);
  t.equal(await parts.offset(sha256(Buffer.from('a')), 'another'), 4);
  await t.rejects(stat(blobPath(root, sha256(Buffer.from('c')))), { code: 'ENOENT' });
});
