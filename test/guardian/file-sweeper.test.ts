import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { fileAggregate } from '../../core/file/file.ts';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { createFileSweeper } from '../../guardian/files/sweeper.ts';
import { makeFolder } from '../support/repository.ts';

async function scene(t: Test) {
  const folder = await makeFolder(t);
  const blobs = createFileBlobStore(folder);
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [taskAggregate, fileAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  const sweeper = createFileSweeper({ ledger, blobs, logger: silentLogger });
  t.teardown(() => sweeper.stop());
  const meta = () => ({ commandId: randomUUID(), actor: 'test', time: Date.now() });
  const pathOf = (digest: string): string => join(folder, 'sha256', digest.slice(0, 2), digest);
  return {
    sweeper, blobs,
    has: async (digest: string): Promise<boolean> => (await blobs.stat(digest)) !== undefined,
    /** A file that was stored a minute ago. */
    async upload(id: string, text: string): Promise<string> {
      const { digest, size } = await blobs.put([Buffer.from(text)]);
      const old = new Date(Date.now() - 60_000);
      await utimes(pathOf(digest), old, old);
      await ledger.execute(fileAggregate, id, { type: 'upload', digest, bytes: size, filename: 'a.jsonl', purpose: 'fine-tune', rows: 1 }, meta());
      return digest;
    },
    remove: (id: string) => ledger.execute(fileAggregate, id, { type: 'delete' }, meta()),
    async job(id: string, fileDigest: string): Promise<void> {
      const spec = create(TaskSpecSchema, { kind: { case: 'train', value: { source: { case: 'extract', value: { fileDigest } } } } });
      await ledger.execute(taskAggregate, id, { type: 'queue', kind: TaskKind.TRAIN, project: 'p', spec, after: '', maxAttempts: 1 }, meta());
    },
    cancel: (id: string) => ledger.execute(taskAggregate, id, { type: 'cancel', reason: '' }, meta()),
    /** Resolves when the blob is gone. */
    async gone(digest: string): Promise<void> {
      const watcher = watch(join(folder, 'sha256', digest.slice(0, 2)));
      while ((await blobs.stat(digest)) !== undefined) await once(watcher, 'change');
      watcher.close();
    },
  };
}

t.test('contents go with the last file that has them', async (t) => {
  const { upload, remove, has, gone, sweeper } = await scene(t);
  const shared = await upload('file-1', 'shared');
  await upload('file-2', 'shared');
  const own = await upload('file-3', 'own');
  sweeper.start();
  await remove('file-1');
  await remove('file-3');
  await gone(own);
  t.ok(await has(shared), 'another file has the same contents');
  await remove('file-2');
  await gone(shared);
});

t.test('what a job is to be trained on stays until it has ended', async (t) => {
  const { upload, remove, has, gone, sweeper, job, cancel } = await scene(t);
  const needed = await upload('file-1', 'needed');
  const other = await upload('file-2', 'other');
  await job('job_1', needed);
  sweeper.start();
  await remove('file-1');
  await remove('file-2');
  await gone(other);
  t.ok(await has(needed));
  await cancel('job_1');
  await gone(needed);
});

t.test('what was deleted while nobody was there goes at the start', async (t) => {
  const { upload, remove, has, gone, sweeper } = await scene(t);
  const digest = await upload('file-1', 'text');
  const kept = await upload('file-2', 'kept');
  await remove('file-1');
  sweeper.start();
  await gone(digest);
  t.ok(await has(kept));
});
