import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { commitFiles, git, makeRepository } from '../support/repository.ts';
import { retrainScene } from '../support/retrain-scene.ts';

t.setTimeout(60_000);

const monitor = '/v1/retrain/monitor';

t.test('what changed is measured against the commit of the current model', async (t) => {
  const scene = await retrainScene(t);
  const { repository, project } = scene;
  const trained = await git(repository, 'rev-parse', 'HEAD');
  const path = `${monitor}?project_path=${project}`;

  const never = await scene.get(path);
  t.match(never, { status: 200, body: { should_retrain: true, reason: 'never trained: no model of this project has been trained yet', metrics: { never_trained: true, files_changed: 12, commits_since_last_train: 1, base_commit: '', head_commit: trained, base: 'none' }, checked_at: /Z$/ } });
  t.notOk('age_hours' in (never.body['metrics'] as object), 'no age where nothing was trained');

  t.equal((await scene.follow(await scene.retrain())).messages.at(-1)?.['status'], 'completed');
  const changed = (count: number, value: string): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, n) => [`notes/new${n}.py`, `VALUE = "${value}"\n`]));
  const head = await commitFiles(repository, changed(19, 'one'));
  t.match((await scene.get(path)).body, {
    should_retrain: false,
    reason: 'nothing to do: 19 files changed (threshold: 20), 1 commit (threshold: 50), no critical path changed, no new tag',
    metrics: { files_changed: 19, commits_since_last_train: 1, critical_paths_changed: false, lines_added: 19, lines_removed: 0, languages: ['python'], base_commit: trained, head_commit: head, base: 'ancestor', never_trained: false, age_hours: Number, shallow: false },
  });

  await commitFiles(repository, { 'notes/new19.py': 'VALUE = "one"\n' });
  t.match((await scene.get(path)).body, { should_retrain: true, reason: '20 files changed (threshold: 20)', metrics: { files_changed: 20, commits_since_last_train: 2 } });
  t.match((await scene.get(`${monitor}?project_name=${project}`)).body, { reason: '20 files changed (threshold: 20)' }, 'by its name as well');

  await t.test('the repository’s own settings, and a request’s before them', async (t) => {
    await git(repository, 'reset', '--quiet', '--hard', trained);
    await commitFiles(repository, { ...changed(3, 'two'), '.ai-forge.yml': 'retrain:\n  files_changed: 4\n' });
    t.match((await scene.get(path)).body, { should_retrain: true, reason: '4 files changed (threshold: 4)' });
    const dry = { project_path: project, dry_run: true };
    t.match((await scene.post('/v1/retrain', dry)).body, { triggered: false, reason: 'dry run, nothing was started: 4 files changed (threshold: 4)' });
    t.match((await scene.post('/v1/retrain', { ...dry, policy: { files_changed: 5 } })).body, { triggered: false, reason: /^nothing to do: 4 files changed \(threshold: 5\)/ });
    await commitFiles(repository, { '.ai-forge.yml': 'retrain:\n  files_chnaged: 4\n' });
    t.match(await scene.get(path), { status: 400, body: { detail: /^\.ai-forge\.yml: retrain\.files_chnaged: is not a known key/ } });
  });
});

t.test('what can not be looked at is said, with the field', async (t) => {
  const scene = await retrainScene(t);
  const roots = scene.config.projectRoots[0]!;
  await mkdir(join(roots, 'plain'));
  await writeFile(join(roots, 'file.txt'), 'text\n');
  await makeRepository(t, {}, join(roots, 'empty'));
  const before = await scene.last();
  const wrong: [string, number, RegExp][] = [
    ['project_path=plain', 400, /^project_path: .*plain.* not .*git repository/],
    ['project_path=empty', 400, /^project_path: .*empty.*no commit/],
    ['project_path=file.txt', 400, /^project_path: .*file\.txt/],
    ['project_path=nowhere', 404, /^project_path: .*nowhere does not exist/],
    ['project_path=/etc', 400, /^project_path: "\/etc" lies outside the project roots/],
    ['project_path=..', 400, /^project_path: must not contain "\.\."/],
    ['project_path=', 400, /^project_path: must not be empty/],
    ['project_name=tiny&project_path=tiny', 400, /^project_path: give either project_name or project_path, not both/],
    ['project_name=nobody', 404, /^project_name: no git repository "nobody"/],
    ['project_name=a/b', 400, /^project_name: /],
    ['project=tiny', 400, /^project: no such query parameter/],
  ];
  for (const [query, status, detail] of wrong) t.match(await scene.get(`${monitor}?${query}`), { status, body: { detail } }, query);

  t.match(await scene.get(`${monitor}?project_path=.`), { status: 400, body: { detail: /^project_path: .*not .*git repository/ } }, 'the first project root is no repository');
  t.strictSame((await scene.get(monitor)).body, (await scene.get(`${monitor}?project_path=.`)).body, 'which is looked at without a path too');
  await rm(join(roots, 'empty'), { recursive: true });
  await makeRepository(t, { 'one.py': 'ONE = 1\n' }, roots);
  t.match(await scene.get(`${monitor}?project_path=.`), { status: 200, body: { should_retrain: true, metrics: { never_trained: true, commits_since_last_train: 1 } } });
  t.match(await scene.get(`${monitor}?project_path=tiny`), { status: 200, body: { metrics: { files_changed: 12 } } });
  t.equal(await scene.last(), before, 'and looking appends nothing');
});
