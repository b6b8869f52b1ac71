import t from 'tap';
import { connectNats } from '../../core/nats.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { gatewayScene, watch, type Answer } from '../support/gateway-scene.ts';

const request = { project_name: 'tiny', base_model: 'ai-forge/starter' };

t.test('a thousand submissions at once are a thousand jobs', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const answers: Answer[] = [];
  // Fifty clients, each sending the next as soon as the last was answered.
  // A 503 says that nothing was created; the list below shows that it is so.
  const submit = async (): Promise<Answer> => {
    for (;;) {
      const answer = await scene.post('/v1/fine-tune', request);
      if (answer.status !== 503) return answer;
      t.comment(`once more: ${answer.body['detail'] as string}`);
    }
  };
  const client = async (): Promise<void> => { for (let n = 0; n < 20; n++) answers.push(await submit()); };
  await Promise.all(Array.from({ length: 50 }, client));
  t.equal(answers.length, 1000);
  t.strictSame([...new Set(answers.map((answer) => answer.status))], [200]);
  const ids = answers.map((answer) => answer.body['job_id'] as string);
  t.equal(new Set(ids).size, 1000);
  t.ok(ids.every((id) => /^job_\d{8}_\d{6}(_[0-9a-f]{10})?$/.test(id)));
  const listed = new Set<string>();
  for (let token = ''; ; ) {
    const { body } = await scene.get(`/v1/fine-tune?page_size=100${token === '' ? '' : `&page_token=${token}`}`);
    for (const job of body['jobs'] as { job_id: string }[]) listed.add(job.job_id);
    token = body['next_page_token'] as string;
    if (token === '') break;
  }
  t.strictSame(listed, new Set(ids), 'and the list, page by page, has each of them');
});

t.test('an Idempotency-Key stands for one job', async (t) => {
  const scene = await gatewayScene(t);
  const guardian = await scene.guardian();
  const key = { 'idempotency-key': 'one' };
  const answers = await Promise.all(Array.from({ length: 20 }, () => scene.post('/v1/fine-tune', request, key)));
  t.equal(new Set(answers.map((answer) => answer.body['job_id'])).size, 1, 'twenty at once are one job');
  t.equal(((await scene.get('/v1/fine-tune')).body['jobs'] as unknown[]).length, 1);
  t.match(await scene.post('/v1/fine-tune', { ...request, epochs: 2 }, key), { status: 409, body: { detail: /Idempotency-Key.*different body/ } });
  await scene.restart();
  await guardian.stop();
  t.match((await scene.post('/v1/fine-tune', request, key)).body, answers[0]!.body, 'a repeat gets it after a restart too, and needs no guardian');
  t.match(await scene.post('/v1/fine-tune', request, { 'idempotency-key': 'two' }), { status: 503, body: { detail: /guardian does not answer/ } });
  t.equal(((await scene.get('/v1/fine-tune')).body['jobs'] as unknown[]).length, 1, 'without the guardian nothing is created');
});

t.test('bad input is told by its field, and creates nothing', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const connection = await connectNats(scene.nats.url, 'looker');
  t.teardown(() => connection.close());
  const store = await createJetStreamStore(connection);
  const before = await store.lastSequence();
  const wrong: [string, unknown, number, RegExp][] = [
    ['no body', '', 400, /body|project_name/],
    ['malformed JSON', '{"project_name":', 400, /JSON/i],
    ['an array', [], 400, /object/],
    ['no name', {}, 400, /project_name/],
    ['a wrong type', { ...request, epochs: 'three' }, 400, /epochs/],
    ['a fraction', { ...request, epochs: 1.5 }, 400, /epochs/],
    ['a negative', { ...request, rank: -1 }, 400, /rank/],
    ['zero', { ...request, rank: 0 }, 400, /rank/],
    ['too many', { ...request, epochs: 1e6 }, 400, /epochs/],
    ['a learning rate', { ...request, learning_rate: 0 }, 400, /learning_rate/],
    ['a number beyond all', '{"project_name":"tiny","learning_rate":1e999}', 400, /learning_rate/],
    ['a dropout', { ...request, lora_dropout: 1 }, 400, /lora_dropout/],
    ['a module', { ...request, target_modules: ['q_proj; rm'] }, 400, /target_modules/],
    ['a quantization', { ...request, quantization: '3bit' }, 400, /quantization/],
    ['an unknown field', { ...request, epoch: 1 }, 400, /epoch/],
    ['a name with a dash first', { project_name: '--upload-pack=x' }, 400, /project_name/],
    ['a name that climbs', { project_name: '..' }, 400, /project_name/],
    ['a name with a slash', { project_name: 'a/b' }, 400, /project_name/],
    ['a path that climbs', { ...request, project_path: '../../etc' }, 400, /project_path/],
    ['a path outside', { ...request, project_path: '/etc' }, 400, /project_path/],
    ['a path with a dash first', { ...request, project_path: '-x' }, 400, /project_path/],
    ['two sources', { ...request, project_path: '.', training_file: 'x.jsonl' }, 400, /training_file/],
    ['a training file that is not there', { ...request, training_file: 'none.jsonl' }, 404, /training_file/],
    ['a training file of another kind', { ...request, training_file: 'x.csv' }, 400, /training_file/],
    ['a project that is nowhere', { project_name: 'nowhere' }, 404, /nowhere/],
    ['a base model that climbs', { ...request, base_model: '../x' }, 400, /base_model/],
    ['an oversized body', { project_name: 'x'.repeat(2 << 20) }, 413, /.+/],
  ];
  for (const [what, body, status, detail] of wrong) {
    const answer = await scene.post('/v1/fine-tune', body);
    t.match(answer, { status, body: { detail } }, what);
    t.notMatch(JSON.stringify(answer.body), /\.ts:\d|node_modules/, `${what}: no stack gets out`);
    t.ok(answer.headers.get('x-request-id'), `${what}: has a request id`);
  }
  for (const path of ['/status/job_x', '/status/..%2f..', '/v1/fine-tune/job_x/nothing', '/nothing']) t.equal((await scene.get(path)).status, 404, path);
  for (const verb of ['/deploy/job_x', '/validate/job_x', '/v1/fine-tune/job_x/pause', '/v1/fine-tune/job_x/resume', '/v1/fine-tune/job_x/cancel']) t.match(await scene.post(verb), { status: 404, body: { detail: /job_x/ } }, verb);
  t.equal((await watch(scene, 'job_x')).code, 4404);
  t.match(await scene.get('/v1/fine-tune?page_size=0'), { status: 400, body: { detail: /page_size/ } });
  t.match(await scene.get('/v1/fine-tune?status=lost'), { status: 400, body: { detail: /status/ } });
  t.equal(await store.lastSequence(), before, 'not one event was appended');
});

t.test('health tells what is away', async (t) => {
  const scene = await gatewayScene(t);
  t.match((await scene.get('/health')).body, { status: 'degraded', degraded: ['agent', 'guardian', 'inference'], ollama_available: false });
  const guardian = await scene.guardian();
  await scene.trainer(async () => 'stopped');
  t.strictSame((await scene.get('/health')).body['degraded'], ['inference']);
  await guardian.stop();
  await scene.nats.kill();
  const since = performance.now();
  t.match((await scene.get('/health')).body, { status: 'degraded', degraded: /nats/ });
  t.ok(performance.now() - since < 10_000, 'without waiting for NATS to come back');
  await scene.nats.start();
});
