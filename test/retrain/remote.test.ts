import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { dataPaths } from '../../core/config.ts';
import { startGitServer, writeGitHome } from '../support/git-https-server.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../support/repository.ts';
import { pythonFiles, retrainScene } from '../support/retrain-scene.ts';

t.setTimeout(90_000);

const credential = { user: 'me', password: 'hunter2' };
const root = await makeFolder(t);
const home = await makeFolder(t);
const server = await startGitServer(t, root, credential);
await writeGitHome(home, server, credential);
process.env['HOME'] = home;
delete process.env['XDG_CONFIG_HOME'];

t.test('a project of a remote repository, from its registration to its removal', async (t) => {
  const scene = await retrainScene(t, { FORGE_WATCH_MS: '300', FORGE_DEBOUNCE_MS: '50' });
  const origin = await makeRepository(t, pythonFiles('src', 12, 1), join(root, 'private', 'shop'));
  const first = await git(origin, 'rev-parse', 'HEAD');
  const url = `${server.url}/private/shop/.git`;
  const mirrors = async (): Promise<string[]> => (await readdir(dataPaths(scene.config.dataDir).mirrors).catch(() => [])).filter((name) => name.endsWith('.git'));

  const before = await scene.last();
  t.match(await scene.post('/v1/projects', { name: 'shop', url: `${server.url}/private/none/.git` }), { status: 503, body: { detail: /^url: git could not fetch .*not found/s } }, 'no such repository, or none yet');
  t.match(await scene.post('/v1/projects', { name: 'shop', url: url.replace('https://', 'https://me:hunter2@') }), { status: 400, body: { detail: /^url: (?!.*hunter2)/ } });
  t.match(await scene.post('/v1/projects', { name: 'shop', url, ref: 'no-such-branch' }), { status: 400, body: { detail: /^ref: / } });
  t.equal(await scene.last(), before);

  t.match(await scene.post('/v1/projects', { name: 'shop', url }), { status: 200, body: { project: { name: 'shop', url, watch: true } } });
  t.match(await scene.post('/v1/projects', { name: 'branch', url, ref: 'main', watch: false }), { status: 200 });
  t.equal((await mirrors()).length, 1, 'one mirror for both');

  const newest = async (): Promise<Record<string, unknown>> => ((await scene.get('/v1/retrain')).body['retrains'] as Record<string, unknown>[])[0]!;
  await scene.until(async () => (await newest()) !== undefined);
  t.match((await scene.follow((await newest())['job_id'] as string)).messages.at(-1), { status: 'completed' });
  t.match(await newest(), { project_name: 'shop', trigger: 'watch', commit: first });

  const head = await commitFiles(origin, pythonFiles('more', 20, 2));
  await scene.until(async () => (await newest())['commit'] === head);
  t.match((await scene.follow((await newest())['job_id'] as string)).messages.at(-1), { status: 'completed' }, 'what was pushed is noticed');
  t.match((await scene.get('/v1/retrain/monitor?project_name=shop')).body, { should_retrain: false, metrics: { base_commit: head, head_commit: head } });
  t.match((await scene.get('/v1/retrain/monitor?project_name=branch')).body, { should_retrain: true, metrics: { never_trained: true, head_commit: head } });

  const { body } = await scene.post('/v1/datasets', { project_name: 'branch', ref: first });
  const id = body['dataset_id'] as string;
  await scene.until(async () => (await scene.get(`/v1/datasets/${id}`)).body['status'] === 'completed');
  t.match((await scene.get(`/v1/datasets/${id}`)).body, { project_name: 'branch', commit: first });

  t.match(await scene.call('DELETE', '/v1/projects/branch'), { status: 200 });
  t.equal((await mirrors()).length, 1, 'another project needs it');
  await scene.until(async () => !('active_retrain' in ((await scene.get('/v1/projects/shop')).body['project'] as object)));
  t.match(await scene.call('DELETE', '/v1/projects/shop'), { status: 200 });
  t.strictSame(await mirrors(), [], 'gone with the last');
  t.ok(server.requests.some(({ authorization }) => authorization !== undefined), 'by the credentials of git’s own helpers');
});
