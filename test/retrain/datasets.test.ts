import { join } from 'node:path';
import { fromJson } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import t from 'tap';
import { DatasetService, ListDatasetSamplesResponseSchema } from '../../core/gen/aiforge/v1/dataset_pb.ts';
import { JobStatus } from '../../core/gen/aiforge/v1/job_pb.ts';
import { commitFiles, git, makeRepository } from '../support/repository.ts';
import { retrainScene, type RetrainScene } from '../support/retrain-scene.ts';

t.setTimeout(90_000);

type Json = Record<string, unknown>;
interface Sample {
  kind: string;
  path: string;
  start_line: number;
  end_line: number;
  reason: string;
  messages: { role: string; content: string }[];
}

async function dataset(scene: RetrainScene, fields: Json = {}): Promise<Json> {
  const { body } = await scene.post('/v1/datasets', { project_path: scene.project, ...fields });
  const id = body['dataset_id'] as string;
  await scene.until(async () => !['queued', 'preparing', 'training'].includes((await scene.get(`/v1/datasets/${id}`)).body['status'] as string));
  return (await scene.get(`/v1/datasets/${id}`)).body;
}

t.test('made, told, read in pages', async (t) => {
  const scene = await retrainScene(t);
  const commit = await git(scene.repository, 'rev-parse', 'HEAD');
  const hold = scene.hold('extract');
  const created = await scene.post('/v1/datasets', { project_path: scene.project, seed: 7 });
  const id = created.body['dataset_id'] as string;
  t.strictSame(created.body, { dataset_id: id, status: 'queued', message: `Dataset queued, of commit ${commit}` });
  t.match(id, /^dataset_\d{8}_\d{6}$/);
  await hold.reached;
  const early = await scene.get(`/v1/datasets/${id}`);
  t.match(early.body, { dataset_id: id, status: /^(preparing|training)$/, progress: 0, project_name: scene.project, commit, created_at: /Z$/ });
  for (const name of ['digest', 'train_examples', 'error']) t.notOk(name in early.body, `no ${name} yet`);
  for (const part of ['report', 'samples']) t.match(await scene.get(`/v1/datasets/${id}/${part}`), { status: 400, body: { detail: new RegExp(`^dataset_id: ${id} is running: it must be completed first$`) } }, part);
  hold.release();
  await scene.until(async () => (await scene.get(`/v1/datasets/${id}`)).body['status'] === 'completed');
  const done = (await scene.get(`/v1/datasets/${id}`)).body;
  t.match(done, { progress: 100, digest: /^[0-9a-f]{64}$/, files: 12, secrets_dropped: 0, duplicates_dropped: Number });
  const sizes = { train: done['train_examples'] as number, heldout: done['heldout_examples'] as number };
  t.ok(sizes.train >= 16 && sizes.heldout >= 2, JSON.stringify(sizes));

  const report = (await scene.get(`/v1/datasets/${id}/report`)).body;
  t.match(report['report'], /^# /);
  t.ok((report['report'] as string).includes(commit), 'Markdown names the commit');
  const figures = JSON.parse(report['report_json'] as string) as Json;
  t.match(figures, { commit, train: { rows: sizes.train }, heldout: { rows: sizes.heldout } });

  const page = async (query: string): Promise<{ samples: Sample[]; next_page_token: string }> => (await scene.get(`/v1/datasets/${id}/samples?${query}`)).body as never;
  const all = async (query: string): Promise<Sample[]> => {
    const samples: Sample[] = [];
    for (let token = ''; ; ) {
      const { samples: some, next_page_token: next } = await page(`${query}&page_size=7${token === '' ? '' : `&page_token=${token}`}`);
      t.ok(some.length === 7 || next === '', 'full pages but the last');
      samples.push(...some);
      if (next === '') return samples;
      token = next;
    }
  };
  const train = await all('split=train');
  const heldout = await all('split=heldout');
  t.equal(train.length, sizes.train);
  t.equal(heldout.length, sizes.heldout);
  t.strictSame((await page('')).samples, train.slice(0, 20), 'without a query the first 20 of those to train on');
  t.equal(train.filter(({ path }) => heldout.some((other) => other.path === path)).length, 0, 'no file in both');
  for (const { messages, kind, path, start_line: start, end_line: end, reason } of train) {
    if (!(messages.length >= 2 && messages.at(-1)!.role === 'assistant' && kind !== '' && path !== '' && start >= 1 && end >= start && reason !== '')) t.fail(`a sample without its span or reason: ${JSON.stringify({ kind, path, start, end, reason })}`);
  }
  for (const kind of new Set(train.map((sample) => sample.kind))) t.strictSame(await all(`kind=${kind}`), train.filter((sample) => sample.kind === kind), `kind ${kind}`);

  for (const [query, detail] of [
    ['split=test', /^split: must be train or heldout, not "test"$/], ['page_size=0', /^page_size: /], ['page_size=101', /^page_size: /],
    ['page_token=x', /^page_token: /], ['page_token=-1', /^page_token: /], ['page_token=1.5', /^page_token: /], ['kind=no-such-kind', /^kind: /], ['sort=kind', /^sort: /],
  ] as const) t.match(await scene.get(`/v1/datasets/${id}/samples?${query}`), { status: 400, body: { detail } }, query);

  const again = await dataset(scene, { seed: 7 });
  t.equal(again['digest'], done['digest'], 'the same commit and seed');
  t.not((await dataset(scene, { seed: 8 }))['digest'], done['digest'], 'another seed');
  await commitFiles(scene.repository, { 'src/part0.py': '"""Changed."""\n\n\ndef changed(value):\n    """Value doubled."""\n    return value * 2\n' });
  t.not((await dataset(scene, { seed: 7 }))['digest'], done['digest'], 'another commit');
  t.match(await dataset(scene, { seed: 7, ref: commit }), { digest: done['digest'], commit }, 'the first one by its id');
  t.match(await dataset(scene, { seed: 7, recipe: 'plain' }), { status: 'completed' });

  const ids = ((await scene.get('/v1/datasets')).body['datasets'] as Json[]).map((each) => each['dataset_id']);
  t.equal(ids.length, 6);
  t.equal(ids.at(-1), id, 'the newest first');
  const two = (await scene.get('/v1/datasets?page_size=4')).body;
  t.strictSame([...(two['datasets'] as Json[]), ...((await scene.get(`/v1/datasets?page_size=4&page_token=${two['next_page_token'] as string}`)).body['datasets'] as Json[])].map((each) => each['dataset_id']), ids);
  t.strictSame((await scene.get('/v1/datasets?project_name=nobody')).body, { datasets: [], next_page_token: '' });

  await t.test('gRPC', async (t) => {
    const client = createClient(DatasetService, createGrpcTransport({ baseUrl: scene.url }));
    t.match(await client.getDataset({ datasetId: id }), { datasetId: id, status: JobStatus.COMPLETED, progress: 100, digest: done['digest'] as string, trainExamples: BigInt(sizes.train) });
    t.match(await client.getDatasetReport({ datasetId: id }), { report: report['report'] as string, reportJson: report['report_json'] as string });
    const camel = (sample: Sample) => ({ ...sample, start_line: undefined, end_line: undefined, startLine: sample.start_line, endLine: sample.end_line });
    t.strictSame(await client.listDatasetSamples({ datasetId: id, split: 'heldout', pageSize: 3 }), fromJson(ListDatasetSamplesResponseSchema, JSON.parse(JSON.stringify({ samples: heldout.slice(0, 3).map(camel), nextPageToken: (await page('split=heldout&page_size=3')).next_page_token }))));
    t.equal((await client.listDatasets({ pageSize: 2 })).datasets.length, 2);
    const made = await client.createDataset({ projectPath: scene.project, ref: commit, seed: 7n });
    await scene.until(async () => (await client.getDataset({ datasetId: made.datasetId })).status === JobStatus.COMPLETED);
    t.equal((await client.getDataset({ datasetId: made.datasetId })).digest, done['digest']);
    for (const [call, code, rawMessage] of [
      [() => client.getDataset({ datasetId: 'dataset_x' }), Code.NotFound, /^dataset_id: there is no dataset "dataset_x"$/],
      [() => client.listDatasetSamples({ datasetId: id, split: 'test' }), Code.InvalidArgument, /^split: /],
      [() => client.createDataset({}), Code.InvalidArgument, /^project_path: /],
    ] as const) t.match(ConnectError.from(await call().then(() => new Error('no error'), (e: unknown) => e)), { code, rawMessage });
  });
});

t.test('whose it is, and once for an Idempotency-Key', async (t) => {
  const scene = await retrainScene(t);
  const post = (body: Json, key?: string) => scene.post('/v1/datasets', body, key === undefined ? {} : { 'idempotency-key': key });
  const projectOf = async (body: Json): Promise<unknown> => (await scene.get(`/v1/datasets/${(await post(body)).body['dataset_id'] as string}`)).body['project_name'];
  t.equal(await projectOf({ project_path: scene.project }), scene.project, 'the folder’s name where nothing is registered');
  await scene.post('/v1/projects', { name: 'shop', path: scene.project, watch: false });
  t.equal(await projectOf({ project_path: scene.project }), 'shop', 'the project that is registered for the path');
  t.equal(await projectOf({ project_path: scene.repository }), 'shop');
  t.equal(await projectOf({ project_name: 'shop' }), 'shop');
  t.equal(await projectOf({ project_name: scene.project }), scene.project, 'the one that is named');
  const hold = scene.hold('train');
  const job = (await scene.post('/v1/fine-tune', { project_name: 'mine', project_path: scene.project })).body['job_id'] as string;
  await hold.reached;
  const ofJob = ((await scene.get('/v1/datasets?project_name=mine')).body['datasets'] as Json[])[0]!;
  t.match(ofJob, { dataset_id: `${job}.extract` }, 'a job’s dataset is the job’s project’s');
  hold.release();
  t.strictSame(((await scene.get('/v1/datasets?project_name=')).body['datasets'] as Json[]), [], 'nobody’s: none');
  await makeRepository(t, { 'a.py': 'A = 1\n' }, join(scene.repository, '..', 'nested', 'shop'));
  t.match(await post({ project_path: 'nested/shop' }), { status: 400, body: { detail: /^project_path: a project called "shop" is registered for / } }, 'not another project’s by its name');

  const body = { project_path: scene.project, seed: 3 };
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(body, 'one')));
  t.strictSame(answers.map((answer) => answer.body), Array(10).fill(answers[0]!.body), 'ten at once are one');
  t.match(answers[0], { status: 200, body: { dataset_id: /^dataset_/, status: 'queued', message: /^Dataset queued, of commit [0-9a-f]{40}$/ } });
  await commitFiles(scene.repository, { 'later.py': 'LATER = 1\n' });
  await scene.restart();
  t.strictSame((await post(body, 'one')).body, answers[0]!.body, 'the same after a restart, and of the first commit');
  t.match(await post({ ...body, seed: 4 }, 'one'), { status: 409, body: { detail: /^Idempotency-Key: it was used for dataset_\d{8}_\d{6}\w* with a different body/ } });
  t.not((await post(body, 'two')).body['dataset_id'], answers[0]!.body['dataset_id'], 'another key is another dataset');
  t.match(await scene.post('/v1/fine-tune', { project_name: 'shop' }, { 'idempotency-key': 'three' }), { status: 200 });
  t.match(await post({ project_name: 'shop' }, 'three'), { status: 409 }, 'a key that stands for a job makes no dataset, whatever the body');
});

t.test('what is wrong, and what is too little', async (t) => {
  const scene = await retrainScene(t);
  const before = await scene.last();
  const here = { project_path: scene.project };
  for (const [body, status, detail] of [
    [{}, 400, /^project_path: give project_path .* or project_name/],
    [{ ...here, project_name: 'tiny' }, 400, /^project_path: give either/],
    [{ project_path: '' }, 400, /^project_path: must not be empty/],
    [{ project_path: 'nowhere' }, 404, /^project_path: /],
    [{ project_path: '/etc' }, 400, /^project_path: /],
    [{ project_name: 'nobody' }, 404, /^project_name: /],
    [{ ...here, ref: 'no-such-branch' }, 400, /^ref: /],
    [{ ...here, ref: '--help' }, 400, /^ref: /],
    [{ ...here, seed: 2 ** 32 }, 400, /^seed: /],
    [{ ...here, recipe: 'best' }, 400, /^recipe: /],
    [{ ...here, base_model: '../../x' }, 400, /^base_model: /],
    [{ ...here, size: 3 }, 400, /^size: /],
  ] as const) t.match(await scene.post('/v1/datasets', body), { status, body: { detail } }, JSON.stringify(body));
  for (const path of ['', '/report', '/samples']) t.match(await scene.get(`/v1/datasets/dataset_x${path}`), { status: 404, body: { detail: 'dataset_id: there is no dataset "dataset_x"' } }, path);
  t.equal(await scene.last(), before, 'not one event was appended');

  await git(scene.repository, 'rm', '--quiet', '-r', '.');
  await commitFiles(scene.repository, { 'one.py': 'ONE = 1\n' });
  const poor = await dataset(scene);
  t.match(poor, { status: 'failed', error: /^bad_dataset: too little to learn from at [0-9a-f]{40}: \d+ examples to train on and \d+ held out, at least \d+ and \d+ are needed/ });
  t.match(await scene.get(`/v1/datasets/${poor['dataset_id'] as string}/samples`), { status: 400, body: { detail: /is failed \(too little/ } });

  const id = await scene.retrain();
  t.match((await scene.follow(id)).messages.at(-1), { status: 'failed', message: /failed: extract_data: too little to learn from/ });
  t.match((await scene.get(`/v1/retrain/${id}`)).body, { status: 'failed', error: /^bad_dataset: extract_data: too little/, steps: [{ name: 'extract_data', status: 'failed', error: /^bad_dataset: / }, { status: 'pending' }] });
});
