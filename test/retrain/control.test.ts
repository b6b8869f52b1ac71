import t from 'tap';
import { retrainScene, type HeldKind, type RetrainScene } from '../support/retrain-scene.ts';

t.setTimeout(120_000);

const order = ['extract_data', 'validate_data', 'train', 'evaluate', 'export'];
const held: readonly [string, HeldKind][] = [['extract_data', 'extract'], ['train', 'train'], ['evaluate', 'evaluate'], ['export', 'export']];

interface Pipeline {
  status: string;
  current_step?: string;
  requested?: string;
  training_job_id?: string;
  steps: { name: string; status: string; task_id?: string }[];
}
const read = async (scene: RetrainScene, id: string): Promise<Pipeline> => (await scene.get(`/v1/retrain/${id}`)).body as unknown as Pipeline;
const verb = (scene: RetrainScene, id: string, name: string) => scene.post(`/v1/retrain/${id}/${name}`);
/** How the steps stand while this one is where it was left. */
const standing = (step: string, its: string, later: string): string[] => order.map((name) => `${name} ${name === step ? its : order.indexOf(name) < order.indexOf(step) ? 'completed' : later}`);
const shown = ({ steps }: Pipeline): string[] => steps.map(({ name, status }) => `${name} ${status}`);

t.test('paused in each step, nothing goes on until it is resumed', async (t) => {
  const scene = await retrainScene(t);
  for (const [step, kind] of held) {
    const hold = scene.hold(kind);
    const id = await scene.retrain();
    await hold.reached;
    t.match((await verb(scene, id, 'resume')), { status: 400, body: { detail: `job_id: ${id} is running and can't be resumed: only a paused pipeline can be` } }, `${step}: running`);
    t.match((await verb(scene, id, 'approve')), { status: 400, body: { detail: /is running and can't be approved/ } });
    t.match((await verb(scene, id, 'pause')), { status: 200, body: { job_id: id, message: /paused/ } });
    t.match((await scene.follow(id, ({ status }) => status === 'paused')).messages.at(-1), { type: 'state', status: 'paused', current_step: step, message: 'paused' });
    const paused = await read(scene, id);
    t.match(paused, { status: 'paused', current_step: step });
    t.notOk('requested' in paused, 'it was done');
    t.strictSame(shown(paused), standing(step, 'paused', 'pending'), `${step}: its task is paused too`);
    t.match(await verb(scene, id, 'pause'), { status: 400, body: { detail: `job_id: ${id} is paused and can't be paused: only a running pipeline can be` } });
    hold.release();

    const before = await scene.last();
    await scene.restart();
    t.strictSame(await read(scene, id), paused, 'a gateway that starts anew tells the same');
    t.equal(await scene.last(), before, 'and nothing has happened meanwhile');

    t.match((await verb(scene, id, 'resume')), { status: 200, body: { status: 'running', message: 'Pipeline goes on' } });
    const all = await scene.follow(id);
    t.match(all.messages.at(-1), { status: 'completed' });
    if (kind === 'train') t.strictSame(all.messages.filter(({ type }) => type === 'metrics').map(({ attempt, step: number }) => [attempt, number]), [[1, 1], [1, 2], [2, 3], [2, 4]], 'from its checkpoint');
    t.strictSame(shown(await read(scene, id)), order.map((name) => `${name} completed`));
    for (const name of ['pause', 'resume', 'cancel', 'approve']) t.match(await verb(scene, id, name), { status: 400, body: { detail: new RegExp(`^job_id: ${id} is completed and can't be `) } }, name);
  }
});

t.test('cancelled in each step, and while it is paused', async (t) => {
  const scene = await retrainScene(t);
  for (const [step, kind] of held) {
    for (const pauses of [false, true]) {
      const hold = scene.hold(kind);
      const id = await scene.retrain();
      await hold.reached;
      if (pauses) {
        await verb(scene, id, 'pause');
        await scene.follow(id, ({ status }) => status === 'paused');
      }
      t.match(await verb(scene, id, 'cancel'), { status: 200, body: { job_id: id, message: /cancel|told to end/ } });
      const { messages, code } = await scene.follow(id);
      t.match(messages.at(-1), { status: 'cancelled', message: 'cancelled: cancelled on request' });
      t.equal(code, 1000);
      const cancelled = await read(scene, id);
      t.strictSame(shown(cancelled), standing(step, 'cancelled', 'cancelled'), `${step}${pauses ? ', paused' : ''}`);
      hold.release();
      for (const name of ['pause', 'resume', 'cancel', 'approve']) t.match(await verb(scene, id, name), { status: 400, body: { detail: new RegExp(`^job_id: ${id} is cancelled and can't be `) } }, name);
    }
  }
  // The project is free for the next one.
  t.match((await scene.follow(await scene.retrain())).messages.at(-1), { status: 'completed' });
});

t.test('nothing begins before it is approved', async (t) => {
  const scene = await retrainScene(t);
  const id = await scene.retrain({ require_approval: true });
  t.match(await read(scene, id), { status: 'waiting_approval', current_step: 'extract_data', require_approval: true });
  t.match(await verb(scene, id, 'pause'), { status: 400, body: { detail: `job_id: ${id} is waiting_approval and can't be paused: only a running pipeline can be` } });
  t.match(await verb(scene, id, 'resume'), { status: 400, body: { detail: /is waiting_approval and can't be resumed/ } });
  const before = await scene.last();
  await scene.restart();
  t.strictSame(shown(await read(scene, id)), order.map((name) => `${name} pending`));
  t.equal(await scene.last(), before);
  t.match(await verb(scene, id, 'approve'), { status: 200, body: { status: 'running', message: 'Pipeline approved' } });
  t.match((await scene.follow(id)).messages.at(-1), { status: 'completed' });

  const other = await scene.retrain({ require_approval: true });
  t.match(await verb(scene, other, 'cancel'), { status: 200, body: { status: 'cancelled', message: 'Pipeline cancelled' } });
  t.strictSame(shown(await read(scene, other)), order.map((name) => `${name} cancelled`));

  const last = await scene.last();
  for (const name of ['pause', 'resume', 'cancel', 'approve']) {
    t.match(await verb(scene, 'agent_20200101_000000', name), { status: 404, body: { detail: 'job_id: there is no pipeline "agent_20200101_000000"' } });
    t.match(await verb(scene, 'x'.repeat(300), name), { status: 404, body: { detail: /^job_id: there is no pipeline/ } });
    t.match(await scene.post(`/v1/retrain/${other}/${name}`, { force: true }), { status: 400 }, 'a body that says more');
  }
  t.match(await scene.get('/v1/retrain/agent_20200101_000000'), { status: 404, body: { detail: /^job_id: there is no pipeline/ } });
  t.match(await scene.get(`/v1/retrain/${other}/report`), { status: 400, body: { detail: /^job_id: agent_.* is cancelled and has no report yet/ } });
  t.equal(await scene.last(), last);
});
