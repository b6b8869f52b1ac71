import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { getTree } from '../../core/blobs/tree.ts';
import { dataPaths } from '../../core/config.ts';
import { GuardianReplySchema, ResolveRequestSchema, ResolveResponseSchema } from '../../core/gen/aiforge/v1/guardian_pb.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { RequestedStop, type ReportRequest } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { connectNats } from '../../core/nats.ts';
import { createGuardianClient } from '../../gateway/guardian-client.ts';
import { startNats } from '../support/nats.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../support/repository.ts';
import { createWorkerGateway, type WorkerGateway } from '../support/worker-gateway.ts';
import { build, modules, moduleText, readDataset } from './dataset-support.ts';

const main = join(import.meta.dirname, '../../guardian/main.ts');

interface Running {
  child: ChildProcess;
  ended: Promise<[code: number | null, signal: string | null]>;
  log(): string;
}

function startGuardian(t: Parameters<typeof makeFolder>[0], settings: Record<string, string>): Running {
  const child = spawn(process.execPath, [main], { env: { PATH: process.env['PATH'], HOME: process.env['HOME'], FORGE_BEAT_MS: '100', FORGE_FENCE_MS: '2000', FORGE_LOSS_MS: '3000', ...settings }, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = once(child, 'exit') as Running['ended'];
  t.teardown(() => {
    child.kill('SIGKILL');
    return ended;
  });
  return { child, ended, log: () => log };
}

async function untilReady({ child, ended, log }: Running): Promise<void> {
  const [line] = await Promise.race([once(child.stdout!.setEncoding('utf8'), 'data') as Promise<[string]>, ended.then(() => ['it ended'])]);
  if (line !== 'ready\n') throw new Error(`not ready: ${line}\n${log()}`);
}

async function world(t: Parameters<typeof makeFolder>[0]) {
  const server = await startNats(t);
  const root = await makeFolder(t);
  const dataDir = await makeFolder(t);
  const nats: NatsConnection = await connectNats(server.url, 'gateway');
  t.teardown(() => nats.close());
  const gateway: WorkerGateway = createWorkerGateway(nats);
  await nats.flush();
  const guardian = startGuardian(t, { FORGE_NATS_URL: server.url, FORGE_DATA_DIR: dataDir, FORGE_PROJECT_ROOTS: root });
  await untilReady(guardian);
  const client = createGuardianClient(nats);
  const resolve = async (projectName: string, projectPath: string) => (await client.call({ name: 'Resolve', input: ResolveRequestSchema, output: ResolveResponseSchema }, { projectName, projectPath }, {})).response;
  const blobs = createFileBlobStore(dataPaths(dataDir).blobs);
  /** Runs one extract task. @returns its last report */
  const extract = async (taskId: string, repository: string, commit: string, seed = 1n): Promise<ReportRequest['body']> => {
    gateway.offer({ taskId, attempt: 1, kind: TaskKind.EXTRACT, spec: { kind: { case: 'extract', value: { repository, commit, seed } } } });
    const last = await gateway.until<ReportRequest>('accepted', (report: ReportRequest) => report.taskId === taskId && ['completed', 'failed', 'stopped', 'returned'].includes(report.body.case ?? ''));
    return last.body;
  };
  return { server, root, dataDir, nats, gateway, guardian, resolve, blobs, extract };
}

t.test('it resolves, extracts what was pinned, and the dataset is in the blob store', async (t) => {
  const { root, resolve, extract, gateway, blobs } = await world(t);
  const repository = await makeRepository(t, modules(30), join(root, 'shop'));
  const expected = await build(t, repository);
  const source = await resolve('shop', '');
  t.match(source, { repository, commit: expected.commit });
  await commitFiles(repository, { 'src/later.js': 'later();\n' });

  const body = await extract('job_1.extract', source.repository, source.commit);
  t.equal(body.case, 'completed');
  const result = body.case === 'completed' && body.value.result?.kind.case === 'extract' ? body.value.result.kind.value : undefined;
  t.match(result, { commit: expected.commit, trainExamples: BigInt(expected.train.length), heldoutExamples: BigInt(expected.heldout.length), files: 30n });
  const copy = await makeFolder(t);
  await getTree(blobs, result!.datasetDigest, copy);
  t.equal((await readDataset(copy)).digest, expected.digest, 'the dataset of the commit that was pinned');

  const again = await extract('job_2.extract', source.repository, source.commit);
  t.ok(again.case === 'completed' && again.value.result?.kind.case === 'extract' && again.value.result.kind.value.datasetDigest === result!.datasetDigest, 'the same digest again');
  const phases = gateway.accepted.filter(({ taskId }) => taskId === 'job_1.extract').map(({ body }) => (body.case === 'phase' ? body.value.phase : body.case));
  t.same(phases, ['reading', 'storing', 'completed']);
  const telemetry = await gateway.until<{ metrics: { fraction?: number }[] }>('telemetry', (message) => message.metrics.some((metric: { fraction?: number }) => metric.fraction === 1));
  t.ok(telemetry, 'progress is told');

  const file = join(root, 'rows.jsonl');
  await writeFile(file, Array.from({ length: 40 }, (_, number) => `row ${number}`).map((text) => `${JSON.stringify({ messages: [{ role: 'user', content: text }, { role: 'assistant', content: text }] })}\n`).join(''));
  const rows = await resolve('any', 'rows.jsonl');
  t.match(rows, { repository: file, commit: /^file:[0-9a-f]{64}$/ });
  const fromFile = await extract('job_3.extract', rows.repository, rows.commit);
  t.match(fromFile.case === 'completed' && fromFile.value.result?.kind.value, { commit: rows.commit, files: 1n });
  await writeFile(file, 'changed\n');
  t.match(await extract('job_4.extract', rows.repository, rows.commit), { case: 'failed', value: { code: 'bad_dataset', reason: /changed after/, retryable: false } });
});

t.test('errors have code, field and message, over NATS too', async (t) => {
  const { root, resolve, extract, nats } = await world(t);
  await t.rejects(resolve('nothing', ''), { code: 'not_found', field: 'project_name', message: /nothing/ });
  await t.rejects(resolve('x', '../x'), { code: 'invalid_argument', field: 'project_path' });
  const nonsense = await nats.request('guardian.call.Resolve', Buffer.from([255, 255, 255]), { timeout: 5_000 });
  t.match(fromBinary(GuardianReplySchema, nonsense.data), { errorCode: 'internal' });

  const outside = await makeRepository(t, modules(4));
  const commit = await git(outside, 'rev-parse', 'HEAD');
  t.match(await extract('a.extract', outside, commit), { case: 'failed', value: { code: 'bad_dataset', reason: /outside the project roots/, retryable: false } });
  const small = await makeRepository(t, { 'yarn.lock': 'x\n', 'a.bin': Buffer.from([0]) }, join(root, 'small'));
  t.match(await extract('b.extract', small, await git(small, 'rev-parse', 'HEAD')), {
    case: 'failed',
    value: { code: 'bad_dataset', reason: /too little to learn from.*2 files found; left out: 1 binary, 1 lock_file/, retryable: false },
  });
  const few = await makeRepository(t, modules(2), join(root, 'few'));
  t.match(await extract('few.extract', few, await git(few, 'rev-parse', 'HEAD')), { case: 'failed', value: { code: 'bad_dataset', reason: /\d+ examples to train on and \d+ held out, at least 16 and 2 are needed/, retryable: false } });
  t.match(await extract('c.extract', small, 'HEAD'), { case: 'failed', value: { code: 'bad_dataset', reason: /not the full id of a commit/ } });
  t.match(await extract('d.extract', small, '1'.repeat(40)), { case: 'failed', value: { code: 'bad_dataset', reason: /can not list/ } });
});

t.test('many requests at once share few reads, and see what was committed before them', async (t) => {
  const { root, resolve } = await world(t);
  const repository = await makeRepository(t, modules(2), join(root, 'shop'));
  const first = await git(repository, 'rev-parse', 'HEAD');
  const started = performance.now();
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => resolve('shop', '')));
  t.comment(`1,000 answers in ${(performance.now() - started).toFixed(0)} ms`);
  t.same(new Set(answers.map(({ commit }) => commit)), new Set([first]));
  const early = resolve('shop', '');
  const second = await commitFiles(repository, { 'new.js': 'x\n' });
  t.equal((await resolve('shop', '')).commit, second);
  await early;
});

t.test('a running extract is cancelled, and SIGTERM gives it back', { skip: process.platform === 'win32' }, async (t) => {
  const { root, gateway, guardian } = await world(t);
  // Large enough that a stop comes while it is being read.
  const files = Array.from({ length: 200 }, (_, file) => [`src/${file}.js`, Array.from({ length: 40 }, (_, part) => moduleText(file * 40 + part)).join('\n')]);
  const repository = await makeRepository(t, Object.fromEntries(files), join(root, 'shop'));
  const commit = await git(repository, 'rev-parse', 'HEAD');
  const task = (taskId: string) => ({ taskId, attempt: 1, kind: TaskKind.EXTRACT, spec: { kind: { case: 'extract' as const, value: { repository, commit, seed: 1n } } } });

  gateway.offer(task('cancel.extract'));
  await gateway.report('cancel.extract', 'phase');
  gateway.request('cancel.extract', RequestedStop.CANCEL);
  t.ok(await gateway.report('cancel.extract', 'stopped'), 'it stops');

  gateway.offer(task('drain.extract'));
  await gateway.report('drain.extract', 'phase');
  const started = performance.now();
  guardian.child.kill('SIGTERM');
  t.ok(await gateway.report('drain.extract', 'returned'), 'it is given back');
  t.same(await guardian.ended, [0, null]);
  t.ok(performance.now() - started < 8_000);
});

t.test('an outage of NATS ends nothing', async (t) => {
  const { server, nats, gateway, guardian, resolve, root } = await world(t);
  await makeRepository(t, modules(2), join(root, 'shop'));
  const reconnected = (async () => {
    for await (const status of nats.status()) if (status.type === 'reconnect') return;
  })();
  await server.restart();
  await reconnected;
  await gateway.next('beats');
  t.match(await resolve('shop', ''), { commit: /^[0-9a-f]{40}$/ });
  guardian.child.kill('SIGTERM');
  t.same(await guardian.ended, [0, null]);
});

t.test('a request that NATS does not carry is refused with its reason', async (t) => {
  const server = await startNats(t);
  const nats = await connectNats(server.url, 'gateway');
  t.teardown(() => nats.close());
  const client = createGuardianClient(nats);
  const call = (projectPath: string) => client.call({ name: 'Resolve', input: ResolveRequestSchema, output: ResolveResponseSchema }, { projectPath }, {});
  const { max_payload: most } = nats.info!;
  await t.rejects(call('x'.repeat(most)), { code: 'too_large', field: 'body', message: new RegExp(`^body: .* \\d+ bytes, .* at most ${most}`) });
  await t.rejects(call('x'.repeat(most - 100)), { code: 'unavailable' }, 'one that is just small enough is sent, and here is no guardian');
});

t.test('wrong settings end it at once, and are named', async (t) => {
  const wrong = startGuardian(t, { FORGE_BEAT_MS: 'soon' });
  t.same(await wrong.ended, [1, null]);
  t.match(wrong.log(), /FORGE_BEAT_MS/);
});
