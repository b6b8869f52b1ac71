import { randomUUID } from 'node:crypto';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { allAggregates } from '../../core/aggregates.ts';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import { blobPath, listBlobs } from '../../core/blobs/blob-files.ts';
import { collectGarbage, spareMs } from '../../core/blobs/collect.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { putTree } from '../../core/blobs/tree.ts';
import { fileAggregate } from '../../core/file/file.ts';
import { TaskKind, TaskResultSchema, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { makeFolder } from '../support/repository.ts';

type Body = NonNullable<MessageInitShape<typeof ReportRequestSchema>['body']>;
type Result = NonNullable<MessageInitShape<typeof TaskResultSchema>['kind']>;

const kinds = { extract: TaskKind.EXTRACT, train: TaskKind.TRAIN, evaluate: TaskKind.EVALUATE, export: TaskKind.EXPORT } as const;

async function scene(t: Test) {
  const root = await makeFolder(t);
  const store = createFileBlobStore(root);
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: allAggregates, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  const meta = () => ({ commandId: randomUUID(), actor: 'test', time: Date.now() });

  async function tree(name: string): Promise<string> {
    const folder = await makeFolder(t);
    await writeFile(join(folder, 'file'), `file of ${name}`);
    return putTree(store, folder);
  }
  const blob = async (text: string): Promise<string> => (await store.put([Buffer.from(text)])).digest;
  /** A task that is started and reports these, one after the other. */
  async function task(id: string, kind: keyof typeof kinds, bodies: Body[], { spec = {} as object } = {}): Promise<void> {
    await ledger.execute(taskAggregate, id, { type: 'queue', kind: kinds[kind], project: 'p', spec: create(TaskSpecSchema, { kind: { case: kind, value: spec } as never }), after: '', maxAttempts: 2 }, meta());
    await ledger.execute(taskAggregate, id, { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: id }, meta());
    for (const [index, body] of bodies.entries()) {
      await ledger.execute(taskAggregate, id, { type: 'report', workerId: 'w', report: create(ReportRequestSchema, { bootId: 'b', taskId: id, attempt: 1, number: BigInt(index + 1), body }) }, meta());
    }
  }
  const checkpoint = (digest: string): Body => ({ case: 'checkpoint', value: { step: 1n, epoch: 1, digest, seconds: 1 } });
  const completed = (kind: Result): Body => ({ case: 'completed', value: { result: { kind } } });
  /** Everything that is stored now was stored so long ago. */
  async function age(ms: number): Promise<void> {
    for await (const { digest } of listBlobs(root)) await utimes(blobPath(root, digest), new Date(Date.now() - ms), new Date(Date.now() - ms));
  }
  const collect = (dryRun: boolean) => collectGarbage({ root, state: ledger, now: Date.now(), dryRun });
  const all = async (): Promise<string[]> => (await Array.fromAsync(listBlobs(root), ({ digest }) => digest)).sort();
  return { root, store, ledger, meta, tree, blob, task, checkpoint, completed, age, collect, all };
}

t.test('what events name stays with its files, the rest goes once it is a day old', async (t) => {
  const { root, store, ledger, meta, tree, blob, task, checkpoint, completed, age, collect, all } = await scene(t);
  const named: string[] = [];
  const keep = async (name: string): Promise<string> => (named.push(`file of ${name}`), tree(name));
  await task('extracted', 'extract', [completed({ case: 'extract', value: { datasetDigest: await keep('dataset'), reportDigest: await keep('quality') } })]);
  await task('running', 'train', [checkpoint(await tree('older')), checkpoint(await keep('latest'))], { spec: { source: { case: 'datasetDigest', value: await keep('own dataset') } } });
  await task('failed', 'train', [checkpoint(await keep('to be tried again')), { case: 'failed', value: { code: 'c', reason: 'r', retryable: false } }]);
  await task('completed', 'train', [checkpoint(await tree('before the end')), completed({ case: 'train', value: { adapterDigest: await keep('adapter') } })]);
  await task('exported', 'export', [completed({ case: 'export', value: { exportDigest: await keep('export'), ggufDigest: await blob('file of export') } })]);
  await task('evaluated', 'evaluate', [completed({ case: 'evaluate', value: { reportDigest: await keep('evaluation') } })]);
  await task('extracting', 'extract', [], { spec: { fileDigest: await blob('upload that is read'), validationDigest: await blob('validation') } });
  await ledger.execute(baseModelAggregate, 'starter', { type: 'pin', baseModel: 'starter', treeDigest: await keep('starter'), baseModelDigest: 'a'.repeat(64) }, meta());
  const file = { type: 'upload', bytes: 1, filename: 'f', purpose: 'fine-tune', rows: 1 } as const;
  await ledger.execute(fileAggregate, 'file-1', { ...file, digest: await blob('stored file') }, meta());
  await ledger.execute(fileAggregate, 'file-2', { ...file, digest: await blob('deleted file') }, meta());
  await ledger.execute(fileAggregate, 'file-2', { type: 'delete' }, meta());
  await tree('nobody’s');
  await ledger.catchUp();
  await age(spareMs + 60_000);
  const young = await tree('young');

  const before = await all();
  const dry = await collect(true);
  t.same(await all(), before, 'a dry run changes nothing');
  t.match(dry, { young: { blobs: 2 }, removed: { blobs: 3 * 2 + 1 }, missing: [] }, 'two superseded checkpoints and a tree with their files, and a file');
  const done = await collect(false);
  t.same(done, dry, 'and says what is done then');
  const left = await all();
  t.equal(left.length, before.length - done.removed.blobs);
  const texts = await Promise.all(left.map(async (digest) => Buffer.concat(await Array.fromAsync(store.read(digest))).toString()));
  t.same(texts.filter((text) => !text.startsWith('{')).sort(), [...named, 'file of young', 'stored file', 'upload that is read', 'validation'].sort());
  t.ok(left.includes(young));
  t.match(await collect(false), { removed: { blobs: 0, bytes: 0 } });

  await age(spareMs - 60_000);
  t.match(await collect(false), { young: { blobs: 2 }, removed: { blobs: 0 } }, 'a minute less than a day');
  await store.remove(young);
  await store.remove(await blob('stored file'));
  t.match(await collect(false), { missing: [/^[0-9a-f]{64}$/] }, 'what events name and is not there is told');
  t.ok((await all()).length > 0, root);
});

t.test('a blob that is stored again after it was looked at stays', async (t) => {
  const { ledger, tree, blob, task, completed, age, collect, store, all } = await scene(t);
  await task('completed', 'train', [completed({ case: 'train', value: { adapterDigest: await tree('adapter') } })]);
  await ledger.catchUp();
  for (let n = 0; n < 50; n++) {
    const digest = await blob('comes and goes');
    await age(spareMs + 60_000);
    await Promise.all([collect(false), blob('comes and goes')]);
    if ((await store.stat(digest)) === undefined) t.fail('stored, and not there');
  }
  t.equal((await all()).length, 3);
});

t.test('where it is not known what is named, nothing is removed', async (t) => {
  const { root, store, ledger, tree, blob, task, checkpoint, completed, age, collect, all } = await scene(t);
  const adapter = await tree('adapter');
  await task('completed', 'train', [checkpoint(await tree('checkpoint')), completed({ case: 'train', value: { adapterDigest: adapter } })]);
  await task('another', 'train', [completed({ case: 'train', value: { adapterDigest: await tree('another') } })]);
  await ledger.catchUp();
  await blob('nobody’s');
  await age(spareMs + 60_000);
  await writeFile(blobPath(root, adapter), '{"files":[]}');
  const before = await all();
  await t.rejects(collect(false), { code: 'wrong_state', message: /tree [0-9a-f]{64} can't be believed .*altered.*Nothing was removed/ });
  t.same(await all(), before);
  await store.remove(adapter);
  await t.rejects(collect(false), { code: 'wrong_state', message: /tree [0-9a-f]{64} can't be believed .*not there.*Nothing was removed/ }, 'nor may the files go of a tree that is gone');
  t.same(await all(), before.filter((digest) => digest !== adapter));

  const other = await makeFolder(t);
  await createFileBlobStore(other).put([Buffer.from('of another history')]);
  await t.rejects(collectGarbage({ root: other, state: ledger, now: Date.now() + 2 * spareMs, dryRun: false }), { code: 'wrong_state', message: /do not belong together/ });
  t.equal((await Array.fromAsync(listBlobs(other))).length, 1);
});
