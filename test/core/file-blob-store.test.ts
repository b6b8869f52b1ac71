import { join } from 'node:path';
import t from 'tap';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { filesBelow } from '../support/nats.ts';
import { makeFolder } from '../support/repository.ts';

t.test('a file that is gone when it is to be stored is an error of the call, and leaves nothing', async (t) => {
  const folder = await makeFolder(t);
  const store = createFileBlobStore(join(folder, 'blobs'));
  await t.rejects(store.putFile(join(folder, 'gone')), { code: 'ENOENT' });
  t.same(await filesBelow(join(folder, 'blobs')), ['tmp']);
});
