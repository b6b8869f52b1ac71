import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { putTree } from '../../core/blobs/tree.ts';
import { ProjectRegisteredSchema } from '../../core/gen/aiforge/v1/events_pb.ts';
import { TaskKind, TaskResultSchema, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { createMirrors } from '../../guardian/git/mirror.ts';
import { ownDigests, removeBlobs } from '../../guardian/projects/remove-blobs.ts';
import { createSweeper } from '../../guardian/projects/sweeper.ts';
import { makeFolder } from '../support/repository.ts';

const minuteMs = 60_000;
const now = Date.now();
/** Unix milliseconds of so many minutes ago. */
const ago = (minutes: number): number => now - minutes * minuteMs;

/** Project `app` was deleted half an hour ago, by the clock of its commands. */
async function scene(t: Test) {
  const folder = await makeFolder(t);
  const blobs = createFileBlobStore(folder);
  const histories: string[] = [];
  const memory = createMemoryStore();
  const store: EventStore = { ...memory, readAggregate: (aggregate, id, after) => (histories.push(id), memory.readAggregate(aggregate, id, after)) };
  const ledger = new Ledger({ store, aggregates: [taskAggregate, pipelineAggregate, projectAggregate, baseModelAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  const meta = (time: number) => ({ commandId: randomUUID(), actor: 'test', time });

  const remaining = async (): Promise<number> => (await readdir(join(folder, 'sha256'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).length;
  /** Stores a tree of two files, one of them like that of other trees. */
  async function tree(text: string, minutes: number, shared = text): Promise<string> {
    const source = await makeFolder(t);
    await writeFile(join(source, 'own'), `own ${text}`);
    await writeFile(join(source, 'shared'), `shared ${shared}`);
    const digest = await putTree(blobs, source);
    const stored = await readdir(join(folder, 'sha256'), { recursive: true, withFileTypes: true });
    for (const { name, parentPath } of stored.filter((entry) => entry.isFile() && !aged.has(entry.name))) {
      aged.add(name);
      await utimes(join(parentPath, name), new Date(ago(minutes)), new Date(ago(minutes)));
    }
    return digest;
  }
  const aged = new Set<string>();
  const has = async (digest: string): Promise<boolean> => (await blobs.stat(digest)) !== undefined;

  async function register(project: string, minutes: number, url = ''): Promise<void> {
    await ledger.execute(projectAggregate, project, { type: 'register', registration: create(ProjectRegisteredSchema, url === '' ? { repository: `/${project}` } : { url }) }, meta(ago(minutes)));
  }
  const remove = (project: string, minutes: number) => ledger.execute(projectAggregate, project, { type: 'delete' }, meta(ago(minutes)));

  /** A training of a project: queued, started with `checkpoints`, completed with `adapter`, as far as they are given. */
  async function train(id: string, project: string, minutes: number, { start = true, checkpoints = [] as string[], adapter = '', log = '' } = {}): Promise<void> {
    const time = ago(minutes);
    const spec = create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel: 'b' } } });
    await ledger.execute(taskAggregate, id, { type: 'queue', kind: TaskKind.TRAIN, project, spec, after: '', maxAttempts: 3 }, meta(time));
    if (!start) return;
    await ledger.execute(taskAggregate, id, { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: id }, meta(time));
    let number = 0n;
    for (const digest of checkpoints) await report({ case: 'checkpoint', value: { step: (number + 1n) * 10n, epoch: 1, digest, seconds: 1 } });
    if (adapter !== '') await report({ case: 'completed', value: { result: create(TaskResultSchema, { kind: { case: 'train', value: { adapterDigest: adapter } } }) } });

    async function report(body: NonNullable<Parameters<typeof create<typeof ReportRequestSchema>>[1]>['body']): Promise<void> {
      number += 1n;
      await ledger.execute(taskAggregate, id, { type: 'report', workerId: 'w', report: create(ReportRequestSchema, { bootId: 'b', taskId: id, attempt: 1, number, body: body as never }), ...(log === '' ? {} : { log: { digest: log, lines: 1 } }) }, meta(time));
    }
  }
  const round = (own: Set<string>, store: BlobStore = blobs) => removeBlobs(own, { ledger, blobs: store });
  const own = async (project = 'app') => {
    await ledger.catchUp();
    return ownDigests(project, { ledger, store });
  };
  return { ledger, store, blobs, histories, tree, has, remaining, register, remove, train, round, own };
}

t.test('what ended before the deletion goes, what is newer or another’s stays; nobody is waited for', async (t) => {
  const { tree, has, remaining, register, remove, train, round, own, histories } = await scene(t);
  const older = await tree('older checkpoint', 50);
  const last = await tree('last checkpoint', 50);
  const adapter = await tree('adapter', 50, 'tokenizer');
  const others = await tree('others', 50, 'tokenizer');
  const both = await tree('the same dataset', 50);
  const newer = await tree('newer', 25);
  await register('app', 60);
  await train('job_1', 'app', 50, { checkpoints: [older, last], adapter });
  await train('job_2', 'app', 50, { checkpoints: [both], adapter: both });
  await train('job_3', 'other', 50, { checkpoints: [older, others], adapter: both });
  await train('job_4', 'other', 50, { checkpoints: [others], adapter: others });
  await train('job_5', 'other', 40, { start: false });
  await remove('app', 30);
  await train('job_6', 'app', 25, { checkpoints: [newer] });
  await train('job_7', 'app', 20, { adapter: last });

  const left = await own();
  t.strictSame(left, new Set([older, last, adapter, both]));
  t.strictSame(histories.filter((id) => id.startsWith('job_')), ['job_1', 'job_2'], 'only its own histories are read');
  t.match(await round(left), { blobs: 5, bytes: Number }, 'the older checkpoint with two files, the adapter with one');
  t.strictSame(left, new Set(), 'while one waits for a worker and another runs');
  for (const [digest, there] of [[older, false], [adapter, false], [last, true], [others, true], [both, true], [newer, true]] as const) t.equal(await has(digest), there);
  t.equal(await remaining(), 4 * 3, 'what is shared stays whole');
});

t.test('the logs of a deleted project’s attempts go, those of others stay', async (t) => {
  const { tree, has, register, remove, train, round, own } = await scene(t);
  const [adapter, log, others] = [await tree('adapter', 50), await tree('log', 50), await tree('another log', 50)];
  await register('app', 60);
  await train('job_1', 'app', 50, { adapter, log });
  await train('job_2', 'other', 50, { adapter, log: others });
  await remove('app', 30);
  await round(await own());
  t.strictSame([await has(log), await has(others), await has(adapter)], [false, true, true]);
});

t.test('two deleted projects keep nothing for each other', async (t) => {
  const { tree, remaining, register, remove, train, round, own } = await scene(t);
  const dataset = await tree('dataset', 50);
  for (const project of ['app', 'twin']) {
    await register(project, 60);
    await train(`${project}_job`, project, 50, { checkpoints: [dataset], adapter: dataset });
    await remove(project, 30);
  }
  await round(await own());
  t.equal(await remaining(), 0);
  t.strictSame(await round(await own('twin')), { blobs: 0, bytes: 0 });
});

t.test('what a running attempt may be about to name stays until it has ended', async (t) => {
  const { ledger, tree, has, register, remove, train, round, own } = await scene(t);
  await register('app', 60);
  const old = await tree('old', 50);
  // Stored again by the other project's attempt, which has not named it yet.
  const stored = await tree('stored', 35);
  await train('job_1', 'app', 50, { checkpoints: [old], adapter: stored });
  await train('job_2', 'other', 40);
  await remove('app', 30);
  const left = await own();
  await round(left);
  t.strictSame(left, new Set([stored]), 'what is older than that attempt goes');
  t.notOk(await has(old));
  t.ok(await has(stored));
  await ledger.execute(taskAggregate, 'job_2', { type: 'lose', attempt: 1, reason: 'gone' }, { commandId: 'lose', actor: 'test', time: ago(20) });
  await round(left);
  t.strictSame(left, new Set());
  t.notOk(await has(stored));
});

t.test('what is stored again during the round stays, and is another’s when that has named it', async (t) => {
  const { blobs, tree, has, remaining, register, remove, train, round, own } = await scene(t);
  await register('app', 60);
  const dataset = await tree('dataset', 50);
  await train('job_1', 'app', 50, { checkpoints: [dataset], adapter: dataset });
  await remove('app', 30);
  // Another project's extraction begins after the look at what is kept, and stores the same bytes.
  const storing: BlobStore = {
    ...blobs,
    async removeUntouched(digest, since) {
      const bytes: Uint8Array[] = [];
      for await (const chunk of blobs.read(digest)) bytes.push(chunk);
      await blobs.put(bytes);
      return blobs.removeUntouched(digest, since);
    },
  };
  const left = await own();
  t.strictSame(await round(left, storing), { blobs: 0, bytes: 0 });
  t.strictSame(left, new Set([dataset]), 'left for the next round');
  await train('job_2', 'other', 0, { checkpoints: [dataset], adapter: dataset });
  await round(left);
  t.strictSame(left, new Set());
  t.ok(await has(dataset));
  t.equal(await remaining(), 3);
});

t.test('blobs and mirrors of a project are removed by whoever finds it deleted', async (t) => {
  const { ledger, store, blobs, tree, remaining, register, remove, train } = await scene(t);
  const mirrors = createMirrors({ directory: await makeFolder(t), maxBytes: 1, timeoutMs: 1, logger: silentLogger });
  const [own, shared] = ['https://example.org/own', 'https://example.org/shared'];
  for (const url of [own, shared]) await mkdir(mirrors.path(url));
  await register('app', 60, own);
  await register('also', 60, shared);
  await register('stays', 60, shared);
  await train('job_1', 'app', 50, { adapter: await tree('adapter', 50) });
  // As when the process that deleted them ended right afterwards.
  for (const project of ['app', 'also']) await remove(project, 30);
  await ledger.catchUp();
  const seen = new Set<string>();
  const both = new EventTarget();
  ledger.onApplied(({ stored }) => {
    if (stored.envelope.events.some(({ kind }) => kind.case === 'projectBlobsRemoved')) seen.add(stored.id);
    if (seen.size === 2) both.dispatchEvent(new Event('removed'));
  });
  const removed = once(both, 'removed');
  const sweeper = createSweeper({ ledger, store, blobs, mirrors, logger: silentLogger });
  sweeper.start();
  await removed;
  await sweeper.stop();
  t.equal(await remaining(), 0);
  t.strictSame(await readdir(join(mirrors.path(own), '..')), [basename(mirrors.path(shared))], 'but for the mirror that another project is made of');
  t.match(ledger.head(projectAggregate, 'app').state, { deletedAt: 0, leftMirrors: [], forgottenAt: ago(30) });
});

t.test('a round that broke off is made up for by one that knows nothing of it', async (t) => {
  const { blobs, tree, remaining, register, remove, train, round, own } = await scene(t);
  await register('app', 60);
  const adapter = await tree('adapter', 50);
  await train('job_1', 'app', 50, { adapter });
  await remove('app', 30);
  let calls = 0;
  const breaking: BlobStore = { ...blobs, removeUntouched: async (digest, since) => (++calls === 2 ? Promise.reject(new Error('the disk is gone')) : blobs.removeUntouched(digest, since)) };
  await t.rejects(round(await own(), breaking), { message: 'the disk is gone' });
  t.equal(await remaining(), 2);
  await round(await own());
  t.equal(await remaining(), 0, 'a tree goes after its files');
});
