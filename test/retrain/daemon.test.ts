import { createHmac } from 'node:crypto';
import { rm } from 'node:fs/promises';
import t from 'tap';
import { commitFiles, git } from '../support/repository.ts';
import { pythonFiles, retrainScene, type RetrainScene } from '../support/retrain-scene.ts';

t.setTimeout(90_000);

type Json = Record<string, unknown>;
const quick = { FORGE_WATCH_MS: '200', FORGE_DEBOUNCE_MS: '300' };
const secret = 'a secret of enough characters';

const retrains = async (scene: RetrainScene): Promise<Json[]> => (await scene.get('/v1/retrain')).body['retrains'] as Json[];
const decisions = async (scene: RetrainScene): Promise<Json[]> => (await scene.get('/v1/retrain/decisions')).body['decisions'] as Json[];
/** The last of 20. */
const one = (value: number): Record<string, string> => Object.fromEntries(Object.entries(pythonFiles('src', 20, value)).slice(-1));
const files = (count: number, value: number): Record<string, string> => pythonFiles('src', count, value);
/** Waits until the last decision's reason fits. */
const decided = (scene: RetrainScene, reason: RegExp): Promise<void> => scene.until(async () => reason.test((await decisions(scene))[0]?.['reason'] as string));

/** Waits for the n-th pipeline, and follows it to its end. */
async function pipeline(scene: RetrainScene, count: number): Promise<Json> {
  await scene.until(async () => (await retrains(scene)).length >= count);
  const id = (await retrains(scene))[0]!['job_id'] as string;
  await scene.follow(id);
  return (await scene.get(`/v1/retrain/${id}`)).body;
}

t.test('a watched project is retrained by itself, once it has stood still', async (t) => {
  const scene = await retrainScene(t, quick);
  await scene.post('/v1/projects', { name: 'shop', path: scene.project });
  t.match(await pipeline(scene, 1), { project_name: 'shop', trigger: 'watch', reason: /^never trained/, status: 'completed', auto_deploy: false });

  await commitFiles(scene.repository, files(19, 1));
  await decided(scene, /: 19 files/);
  t.match((await decisions(scene))[0], { should_retrain: false, reason: /^nothing to do: 19 files changed/, trigger: 'watch' });
  const head = await commitFiles(scene.repository, one(1));
  t.match(await pipeline(scene, 2), { trigger: 'watch', reason: '20 files changed (threshold: 20)', commit: head, status: 'completed' });

  await t.test('what is committed while one runs is looked at after its end: one more', async (t) => {
    const hold = scene.hold('train');
    await commitFiles(scene.repository, files(20, 2));
    await scene.until(async () => (await retrains(scene)).length === 3);
    await hold.reached;
    const running = (await retrains(scene))[0]!['job_id'] as string;
    let last = '';
    for (let n = 3; n < 6; n++) last = await commitFiles(scene.repository, files(20, n));
    t.equal((await retrains(scene)).length, 3, 'none beside it');
    hold.release();
    t.match((await scene.follow(running)).messages.at(-1), { status: 'completed' });
    t.match(await pipeline(scene, 4), { commit: last, trigger: 'watch', reason: '20 files changed (threshold: 20)', metrics: { commits_since_last_train: 3 }, status: 'completed' });
  });

  await t.test('a commit that was refused is not tried again until enough has changed since', async (t) => {
    scene.margin = 0.01;
    await commitFiles(scene.repository, files(20, 6));
    t.match(await pipeline(scene, 5), { status: 'refused', error: /^the gate refused the new model: / });
    // The refused training is the newest one; only what is deployed counts as the current model.
    await commitFiles(scene.repository, files(19, 7));
    await decided(scene, /19 files/);
    t.match((await decisions(scene))[0], { should_retrain: false, trigger: 'watch', reason: /19 files changed \(threshold: 20\)/ });
    scene.margin = 0.2;
    await commitFiles(scene.repository, one(7));
    t.match(await pipeline(scene, 6), { status: 'completed', trigger: 'watch' });
  });
  await decided(scene, /^nothing to do: 0 files/);
  t.equal((await retrains(scene)).length, 6);
});

t.test('a tag that comes later, on a commit that was decided on, is looked at by itself', async (t) => {
  const scene = await retrainScene(t, quick);
  await scene.post('/v1/projects', { name: 'shop', path: scene.project });
  await pipeline(scene, 1);
  const head = await commitFiles(scene.repository, files(1, 1));
  await decided(scene, /: 1 file /);
  await git(scene.repository, 'tag', 'v1');
  t.match(await pipeline(scene, 2), { trigger: 'watch', reason: 'new tags: v1', commit: head, status: 'completed' });
});

t.test('a commit whose pipeline failed is not tried again by itself', async (t) => {
  const scene = await retrainScene(t, quick);
  await git(scene.repository, 'rm', '--quiet', '-r', '.');
  const poor = await commitFiles(scene.repository, { 'one.py': 'ONE = 1\n' });
  await scene.post('/v1/projects', { name: 'shop', path: scene.project, policy: { files_changed: 5 } });
  t.match(await pipeline(scene, 1), { status: 'failed', commit: poor });
  await decided(scene, /0 files/);
  t.match((await decisions(scene))[0], { should_retrain: false, reason: /^agent_.* tried commit [0-9a-f]{12} and was failed, and since then nothing to do: 0 files changed/ });
  await commitFiles(scene.repository, { 'two.py': 'TWO = 2\n' });
  await decided(scene, /since then .* 1 file /);
  t.match((await decisions(scene))[0], { should_retrain: false, reason: /since then nothing to do: 1 file changed/ });
  await commitFiles(scene.repository, files(5, 1));
  t.match(await pipeline(scene, 2), { trigger: 'watch', reason: /^never trained/ });
  t.equal((await retrains(scene)).length, 2);

  await t.test('a repository that goes away is no end of the watching', async (t) => {
    const id = await scene.post('/v1/retrain', { project_name: 'shop', force: true, require_approval: true });
    t.match(id.body, { triggered: true });
    await scene.post(`/v1/retrain/${id.body['job_id'] as string}/cancel`);
    await rm(scene.repository, { recursive: true });
    t.match(await scene.get('/v1/retrain/monitor?project_name=shop'), { status: 404, body: { detail: /^project_path: .* does not exist$/ } });
    t.equal((await scene.get('/v1/projects/shop')).status, 200);
    t.match(await scene.call('DELETE', '/v1/projects/shop'), { status: 200 });
  });
});

t.test('a signed webhook has it looked at now', async (t) => {
  const scene = await retrainScene(t, { FORGE_WATCH_MS: '3600000', FORGE_DEBOUNCE_MS: '50', FORGE_WEBHOOK_SECRET: secret });
  await scene.post('/v1/projects', { name: 'shop', path: scene.project });
  await scene.post('/v1/projects', { name: 'still', path: scene.project, watch: false });
  await pipeline(scene, 1);
  await decided(scene, /: 0 files/);
  const body = JSON.stringify({ ref: 'refs/heads/main' });
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  const send = (name: string, headers: Record<string, string>, text = body) => scene.post(`/v1/webhooks/${name}`, text, headers);
  const push = { 'x-github-event': 'push', 'x-hub-signature-256': signature };
  await commitFiles(scene.repository, files(20, 1));
  const before = await scene.last();
  t.match(await send('shop', { 'x-github-event': 'push' }), { status: 401 }, 'without a signature');
  t.match(await send('shop', { ...push, 'x-hub-signature-256': signature.replace(/.$/, (last) => (last === '0' ? '1' : '0')) }), { status: 401 }, 'with a wrong one');
  t.match(await send('shop', push, `${body} `), { status: 401 }, 'of another body');
  t.match(await send('shop', { 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': `${secret}x` }), { status: 401 });
  t.match(await send('shop', { ...push, 'x-github-event': 'ping' }), { status: 200, body: { detail: /no push/ } });
  t.match(await send('nobody', push), { status: 404, body: { detail: /nobody/ } });
  t.match(await send('still', push), { status: 400, body: { detail: /is not watched/ } });
  t.match(await scene.get('/v1/webhooks/shop'), { status: 405 });
  t.equal(await scene.last(), before, 'nothing came of these');
  t.match(await send('shop', push), { status: 202, body: { detail: 'Project shop is being looked at' } });
  t.match(await pipeline(scene, 2), { trigger: 'webhook', reason: '20 files changed (threshold: 20)', status: 'completed' });
  // Its end is looked at by itself; what comes after that only a webhook tells of.
  await decided(scene, /: 0 files/);
  await commitFiles(scene.repository, files(20, 2));
  t.match(await send('shop', { 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': secret }), { status: 202 });
  t.match(await pipeline(scene, 3), { trigger: 'webhook', status: 'completed' });
});

t.test('without a secret webhooks are refused', async (t) => {
  const scene = await retrainScene(t);
  t.match(await scene.post('/v1/webhooks/shop', '{}', { 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${createHmac('sha256', '').update('{}').digest('hex')}` }), { status: 403, body: { detail: /FORGE_WEBHOOK_SECRET/ } });
});
