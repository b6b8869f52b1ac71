import { join } from 'node:path';
import t from 'tap';
import { commitFiles, git, makeRepository } from '../support/repository.ts';
import { pythonFiles, retrainScene, type RetrainScene } from '../support/retrain-scene.ts';

t.setTimeout(90_000);

const status = async (scene: RetrainScene, id: string): Promise<unknown> => (await scene.get(`/v1/retrain/${id}`)).body['status'];
const listed = async (scene: RetrainScene): Promise<Record<string, unknown>[]> => (await scene.get('/v1/retrain')).body['retrains'] as Record<string, unknown>[];

t.test('what is wrong in a request is named, and changes nothing', async (t) => {
  const scene = await retrainScene(t);
  const before = await scene.last();
  const here = { project_path: scene.project };
  const wrong: [unknown, number, RegExp][] = [
    [{ ...here, policy: { files_changed: 0 } }, 400, /^policy\.files_changed: must be a whole number from 1/],
    [{ ...here, policy: { commits: 2_000_000 } }, 400, /^policy\.commits: /],
    [{ ...here, policy: { critical_paths: ['src/**', '['] } }, 400, /^policy\.critical_paths\[1\]: /],
    [{ ...here, policy: { max_age_hours: -1 } }, 400, /^policy\.max_age_hours: /],
    [{ ...here, policy: { files: 3 } }, 400, /^policy\.files: /],
    [{ ...here, gate: { min_margin: -0.1 } }, 400, /^gate\.min_margin: must be a share from 0 to 10/],
    [{ ...here, gate: { max_regression: 11 } }, 400, /^gate\.max_regression: /],
    [{ ...here, gate: { max_general_increase: 'NaN' } }, 400, /^gate\.max_general_increase: /],
    [{ ...here, training: { rank: 0 } }, 400, /^training\.rank: must be from 1 to 1024, not 0$/],
    [{ ...here, training: { rank: 0, epochs: 0 } }, 400, /^training\.rank: .*; training\.epochs: must be from 1 to 1000, not 0$/],
    [{ ...here, training: { base_model: 'no such/name/at all' } }, 400, /^training\.base_model: /],
    [{ ...here, training: { project_name: 'tiny' } }, 400, /^training\.project_name: does not belong here/],
    [{ ...here, training: { learning_rat: 1 } }, 400, /^training\.learning_rat: /],
    [{ ...here, forced: true }, 400, /^forced: /],
    [{ ...here, force: 'yes' }, 400, /^force: /],
    [{ ...here, project_name: 'tiny' }, 400, /^project_path: give either/],
    [{ project_path: 'nowhere' }, 404, /^project_path: /],
    [{ project_name: 'nobody' }, 404, /^project_name: /],
  ];
  for (const [body, code, detail] of wrong) t.match(await scene.post('/v1/retrain', body), { status: code, body: { detail } }, JSON.stringify(body));
  t.match(await scene.post('/v1/retrain', here, { 'idempotency-key': 'k'.repeat(300) }), { status: 400, body: { detail: /^Idempotency-Key: / } });

  const planned = await scene.post('/v1/retrain', { ...here, dry_run: true, auto_deploy: true });
  t.strictSame(planned.body, {
    triggered: false,
    reason: 'dry run, nothing was started: never trained: no model of this project has been trained yet',
    plan: {
      plan: ['extract_data', 'validate_data', 'train', 'evaluate', 'export', 'deploy'].map((name, index) => ({ id: String(index + 1), name, estimated_minutes: [5, 2, 30, 5, 3, 2][index] })),
      estimated_duration_minutes: 47,
    },
  });
  t.equal(await scene.last(), before, 'not one event was appended');
});

t.test('why not, by force, and a key that makes two requests one', async (t) => {
  const scene = await retrainScene(t);
  const body = { project_path: scene.project };
  const first = await scene.post('/v1/retrain', body, { 'idempotency-key': 'first' });
  t.match(first, { status: 200, body: { triggered: true, reason: /^never trained/, plan: { estimated_duration_minutes: 45 }, job_id: /^agent_\d{8}_\d{6}$/ } });
  t.equal((first.body['plan'] as { plan: unknown[] }).plan.length, 5, 'no deployment unless it is asked for');
  const id = first.body['job_id'] as string;
  t.strictSame((await scene.post('/v1/retrain', body, { 'idempotency-key': 'first' })).body, first.body, 'while it runs');
  t.equal((await scene.follow(id)).messages.at(-1)?.['status'], 'completed');
  t.strictSame((await scene.post('/v1/retrain', body, { 'idempotency-key': 'first' })).body, first.body, 'and after its end');
  t.match(await scene.post('/v1/retrain', { ...body, force: true }, { 'idempotency-key': 'first' }), { status: 409, body: { detail: /^Idempotency-Key: it was used for agent_/ } });

  const before = await scene.last();
  t.match((await scene.post('/v1/retrain', { ...body, dry_run: true })).body, { triggered: false, reason: /^nothing to do: 0 files changed/ });
  t.equal(await scene.last(), before, 'a dry run does not even record its "no"');
  t.strictSame((await scene.post('/v1/retrain', body)).body, { triggered: false, reason: 'nothing to do: 0 files changed (threshold: 20), 0 commits (threshold: 50), no critical path changed, no new tag' });
  t.ok((await scene.last()) > before, 'which is recorded otherwise');
  const forced = await scene.post('/v1/retrain', { ...body, force: true });
  t.match(forced.body, { triggered: true, reason: /^forced: nothing to do: 0 files changed/ });
  const minutes = (forced.body['plan'] as { plan: { estimated_minutes: number }[] }).plan.map((step) => step.estimated_minutes);
  t.strictSame(minutes, [0.1, 0.1, 0.1, 0.1, 0.1], 'estimates are what the last one took');
  await scene.follow(forced.body['job_id'] as string);
  t.equal((await listed(scene)).length, 2);
});

t.test('one pipeline for a project; what waits is decided at its end', async (t) => {
  const scene = await retrainScene(t);
  const { repository, project } = scene;
  const train = scene.hold('train');
  const id = await scene.retrain();
  await train.reached;

  const due = { project_path: project, policy: { files_changed: 2 } };
  t.match((await scene.post('/v1/retrain', { ...due, dry_run: true })).body, { triggered: false, job_id: id, reason: `${id} runs already for project ${project}` });
  const waits = { triggered: false, job_id: id, reason: `${id} runs already for project ${project}; this request waits, and is decided anew when that has ended` };
  for (const force of [true, false]) t.strictSame((await scene.post('/v1/retrain', { ...due, force })).body, waits);
  t.equal((await listed(scene)).length, 1, 'nothing is started beside it');

  await makeRepository(t, pythonFiles('parts', 12, 1), join(repository, '..', 'other'));
  const other = await scene.retrain({ project_path: 'other' });
  t.equal((await scene.follow(other, (message) => message['current_step'] === 'train')).messages.at(-1)?.['status'], 'running', 'another project’s runs side by side');
  t.equal(await status(scene, id), 'running');

  train.release();
  t.equal((await scene.follow(id)).messages.at(-1)?.['status'], 'completed');
  t.equal((await scene.follow(other)).messages.at(-1)?.['status'], 'completed');
  // The last request that waited was decided anew: nothing has changed since the training, and it was not to be forced.
  const decisions = async (): Promise<Record<string, unknown>[]> => (await scene.get(`/v1/retrain/decisions?project_name=${project}`)).body['decisions'] as Record<string, unknown>[];
  await scene.until(async () => (await decisions()).length === 2);
  t.match(await decisions(), [{ should_retrain: false, reason: /^nothing to do: 0 files changed \(threshold: 2\)/, trigger: 'request' }, { should_retrain: true, job_id: id, trigger: 'request' }]);
  t.equal((await listed(scene)).length, 2);

  const evaluate = scene.hold('evaluate');
  const second = await scene.retrain();
  await evaluate.reached;
  await commitFiles(repository, { 'a.py': 'A = 1\n', 'b.py': 'B = 2\n' });
  t.strictSame((await scene.post('/v1/retrain', due)).body, { ...waits, job_id: second, reason: waits.reason.replace(id, second) });
  evaluate.release();
  await scene.until(async () => (await listed(scene)).length === 4);
  const third = (await listed(scene))[0]!;
  t.match(third, { project_name: project, reason: '2 files changed (threshold: 2)', commit: await git(repository, 'rev-parse', 'HEAD'), trigger: 'request' });
  t.equal(await status(scene, second), 'completed', 'it began after the end of the one before');
  t.equal((await scene.follow(third['job_id'] as string)).messages.at(-1)?.['status'], 'completed');
});
