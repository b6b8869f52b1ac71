import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import { readTree } from '../../core/blobs/tree.ts';
import { dataPaths } from '../../core/config.ts';
import { silentLogger } from '../../core/logger.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { readHistory } from '../support/check-stream.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { commitFiles, git, makeRepository } from '../support/repository.ts';
import { pythonFiles, retrainScene, type RetrainScene } from '../support/retrain-scene.ts';

t.setTimeout(90_000);

const blobsOf = async (scene: RetrainScene): Promise<string[]> => (await readdir(dataPaths(scene.config.dataDir).blobs, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name).sort();
/** Digests of the adapter's tree and files that the project's last training left. */
async function adapterOf(scene: RetrainScene, project: string): Promise<string[]> {
  const jobs: string[] = [];
  let digest = '';
  for (const { id, aggregate, envelope } of await readHistory(scene.store)) {
    if (aggregate !== 'task') continue;
    for (const { kind } of envelope.events) {
      if (kind.case === 'taskQueued' && kind.value.project === project) jobs.push(id);
      if (kind.case === 'taskCompleted' && kind.value.result?.kind.case === 'train' && jobs.includes(id)) digest = kind.value.result.kind.value.adapterDigest;
    }
  }
  return [digest, ...(await readTree(scene.blobs, digest)).files.map((file) => file.digest)];
}
const remove = (scene: RetrainScene, name: string) => scene.call('DELETE', `/v1/projects/${name}`);

t.test('registered, listed, told, used by its name', async (t) => {
  const scene = await retrainScene(t);
  const settings = { name: 'shop', path: scene.project, ref: 'main', watch: false, auto_deploy: false, policy: { files_changed: 3 }, training: { rank: 4 } };
  const made = await scene.post('/v1/projects', settings);
  t.match(made, { status: 200, body: { project: { name: 'shop', path: scene.repository, ref: 'main', watch: false, auto_deploy: false, require_approval: false, policy: { files_changed: 3 }, created_at: /Z$/ } } });
  t.strictSame((await scene.post('/v1/projects', settings)).body, made.body, 'the same again is the same');
  t.strictSame((await scene.get('/v1/projects/shop')).body, made.body);
  const before = await scene.last();
  for (const other of [{ ref: 'HEAD' }, { auto_deploy: true }, { policy: { files_changed: 4 } }, { training: { rank: 8 } }]) {
    t.match(await scene.post('/v1/projects', { ...settings, ...other }), { status: 409, body: { detail: /^name: a project of this name is registered with other settings/ } }, JSON.stringify(other));
  }
  t.equal(await scene.last(), before);
  for (const name of ['a', 'b']) await scene.post('/v1/projects', { name, path: scene.project, watch: false });
  const names = async (query: string): Promise<string[]> => ((await scene.get(`/v1/projects${query}`)).body['projects'] as { name: string }[]).map(({ name }) => name);
  t.strictSame(await names(''), ['a', 'b', 'shop']);
  t.strictSame(await names('?page_size=2'), ['a', 'b']);
  t.strictSame(await names('?page_size=2&page_token=b'), ['shop']);
  t.match(await scene.get('/v1/projects?page_token=x'), { status: 400, body: { detail: /^page_token: / } });

  const commit = await git(scene.repository, 'rev-parse', 'HEAD');
  const dataset = await scene.post('/v1/datasets', { project_name: 'shop' });
  t.match(dataset, { status: 200, body: { dataset_id: /^dataset_/, status: 'queued', message: `Dataset queued, of commit ${commit}` } });
  const job = await scene.post('/v1/fine-tune', { project_name: 'shop' });
  t.match(job, { status: 200, body: { job_id: /^job_/ } });
  t.match((await scene.follow(job.body['job_id'] as string)).messages.at(-1), { status: 'completed' });
  t.match((await scene.get('/v1/retrain/monitor?project_name=shop')).body, { should_retrain: false, reason: /^nothing to do: 0 files changed \(threshold: 3\)/, metrics: { base_commit: commit } });
  await commitFiles(scene.repository, { 'x.py': 'X = 1\n', 'y.py': 'Y = 1\n', 'z.py': 'Z = 1\n' });
  t.match((await scene.post('/v1/retrain', { project_name: 'shop', dry_run: true })).body, { reason: 'dry run, nothing was started: 3 files changed (threshold: 3)' });
});

t.test('what can not be registered', async (t) => {
  const scene = await retrainScene(t);
  const before = await scene.last();
  const here = { name: 'shop', path: scene.project };
  const wrong: [unknown, number, RegExp][] = [
    [{ path: scene.project }, 400, /^name: /],
    [{ ...here, name: '../x' }, 400, /^name: /],
    [{ name: 'shop' }, 400, /^path: give path .* or url/],
    [{ ...here, url: 'https://example.org/a.git' }, 400, /^path: give either path or url, not both/],
    [{ name: 'shop', path: '' }, 400, /^path: must not be empty/],
    [{ name: 'shop', path: '/etc' }, 400, /^path: "\/etc" lies outside the project roots/],
    [{ name: 'shop', path: 'nowhere' }, 404, /^path: .*does not exist/],
    [{ ...here, ref: 'no-such-branch' }, 400, /^ref: /],
    [{ ...here, ref: '--output=x' }, 400, /^ref: /],
    [{ ...here, policy: { commits: 0 } }, 400, /^policy\.commits: /],
    [{ ...here, training: { rank: 0 } }, 400, /^training\.rank: /],
    [{ ...here, training: { project_path: 'x' } }, 400, /^training\.project_path: does not belong here/],
    [{ ...here, branch: 'main' }, 400, /^branch: /],
    [{ name: 'shop', url: `file://${scene.repository}` }, 400, /^url: /],
    [{ name: 'shop', url: 'http://example.org/a.git' }, 400, /^url: /],
    [{ name: 'shop', url: 'https://me:hunter2@example.org/a.git' }, 400, /^url: (?!.*hunter2)/],
    [{ name: 'shop', url: 'ext::sh -c touch% /tmp/x' }, 400, /^url: /],
    [{ name: 'shop', url: '-oProxyCommand=x' }, 400, /^url: /],
    [{ name: 'shop', url: 'git://example.org/a.git' }, 400, /^url: /],
    [{ name: 'shop', url: '' }, 400, /^url: /],
  ];
  for (const [body, status, detail] of wrong) t.match(await scene.post('/v1/projects', body), { status, body: { detail } }, JSON.stringify(body));
  t.match(await scene.get('/v1/projects/shop'), { status: 404, body: { detail: 'name: there is no project "shop"' } });
  t.match(await remove(scene, 'shop'), { status: 404, body: { detail: 'name: there is no project "shop"' } });
  t.equal(await scene.last(), before, 'not one event was appended');
});

t.test('deleted with its blobs, and only with those', async (t) => {
  const scene = await retrainScene(t);
  const own = pythonFiles('parts', 12, 1);
  await makeRepository(t, own, join(scene.repository, '..', 'other'));
  await scene.post('/v1/projects', { name: 'kept', path: scene.project, watch: false });
  await scene.follow(await scene.retrain({ project_name: 'kept' }));
  const before = await blobsOf(scene);
  t.ok(before.length > 5);

  await scene.post('/v1/projects', { name: 'gone', path: 'other', watch: false });
  await scene.post('/v1/projects', { name: 'same', path: scene.project, watch: false });
  const hold = scene.hold('train');
  const running = await scene.retrain({ project_name: 'gone' });
  await hold.reached;
  t.match(await remove(scene, 'gone'), { status: 400, body: { detail: /^name: .* cancel it first, or wait for its end$/ } }, 'while it runs');
  await scene.post(`/v1/retrain/${running}/pause`);
  await scene.follow(running, ({ status }) => status === 'paused');
  t.match(await remove(scene, 'gone'), { status: 400, body: { detail: /^name: .* cancel it first, or wait for its end$/ } }, 'while it is paused');
  hold.release();
  await scene.post(`/v1/retrain/${running}/resume`);
  t.match((await scene.follow(running)).messages.at(-1), { status: 'completed' });
  // The end of the project's pipeline is recorded after the pipeline's own.
  await scene.until(async () => !('active_retrain' in ((await scene.get('/v1/projects/gone')).body['project'] as object)));
  await scene.follow(await scene.retrain({ project_name: 'same' }));
  await scene.until(async () => !('active_retrain' in ((await scene.get('/v1/projects/same')).body['project'] as object)));
  const full = await blobsOf(scene);
  t.ok(full.length > before.length + 5, 'checkpoint, dataset, report, adapter, export');

  // As where an agent had pinned it: what every project stands on stays, whoever made it.
  const pinned = await adapterOf(scene, 'gone');
  const ledger = new Ledger({ store: scene.store, aggregates: [baseModelAggregate] as never, logger: silentLogger });
  await ledger.execute(baseModelAggregate, 'ai-forge.starter', { type: 'pin', baseModel: 'ai-forge/starter', treeDigest: pinned[0]!, baseModelDigest: 'b'.repeat(64) }, { commandId: 'pin', actor: 'test', time: Date.now() });
  for (const name of ['gone', 'same']) {
    t.match(await remove(scene, name), { status: 200, body: { name, deleted: true, message: /are removed/ } });
    t.equal((await scene.get(`/v1/projects/${name}`)).status, 404);
    t.match(await remove(scene, name), { status: 404, body: { detail: /^name: / } }, 'again');
  }
  const left = [...new Set([...before, ...pinned])].sort();
  await scene.until(async () => (await blobsOf(scene)).length <= left.length);
  t.strictSame(await blobsOf(scene), left, 'what another project has as well stays, and what is pinned');
  t.match((await scene.get('/v1/projects')).body, { projects: [{ name: 'kept' }] });
  const kept = ((await scene.get('/v1/datasets?project_name=kept')).body['datasets'] as { dataset_id: string }[])[0]!.dataset_id;
  t.match(await scene.get(`/v1/datasets/${kept}/samples?page_size=1`), { status: 200, body: { samples: [{ kind: String }] } }, 'and can be read');
  t.match(await scene.post('/v1/projects', { name: 'gone', path: 'other', watch: false }), { status: 200 }, 'the name is free');
});

t.test('deleted, and used anew under the same name at once', async (t) => {
  const scene = await retrainScene(t);
  await makeRepository(t, pythonFiles('parts', 12, 1), join(scene.repository, '..', 'app'));
  const settings = { name: 'app', path: 'app', watch: false };
  // A trained adapter is a file with the id of its job.
  const adapter = async (job: string) => (await scene.blobs.stat(sha256Hex(job))) !== undefined;
  const train = async (project: string): Promise<string> => (await scene.post('/v1/fine-tune', { project_name: project })).body['job_id'] as string;
  await scene.post('/v1/projects', settings);
  const old = await train('app');
  t.match((await scene.follow(old)).messages.at(-1), { status: 'completed' });
  t.ok(await adapter(old));
  const { jobs } = dataPaths(scene.config.dataDir);
  const makeFolderOf = (job: string) => mkdir(join(jobs, job, 'export'), { recursive: true });
  for (const job of [old, 'job_of_nobody']) await makeFolderOf(job);

  const hold = scene.hold('train');
  const others = await train(scene.project);
  await hold.reached;
  t.match(await remove(scene, 'app'), { status: 200 });
  const next = await train('app');
  await makeFolderOf(next);
  await scene.until(async () => !(await readdir(jobs)).includes(old));
  t.match(await scene.post('/v1/projects', { ...settings, auto_deploy: true }), { status: 200 });
  hold.release();
  for (const job of [others, next]) t.match((await scene.follow(job)).messages.at(-1), { status: 'completed' });
  await scene.until(async () => !(await adapter(old)));
  for (const job of [others, next]) t.ok(await adapter(job), job);
  // A gateway that was away, or ended in the middle of it, makes up for it.
  await makeFolderOf(old);
  await scene.restart();
  await scene.until(async () => !(await readdir(jobs)).includes(old));
  t.strictSame((await readdir(jobs)).sort(), [next, 'job_of_nobody'].sort());
  t.match(await scene.get(`/v1/datasets/${next}.extract/samples?page_size=1`), { status: 200, body: { samples: [{ kind: String }] } }, 'also what it has in common with the old one');
});
