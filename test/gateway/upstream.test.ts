import { join } from 'node:path';
import t from 'tap';
import { placeModel } from '../../gateway/inference/embedded/model-store.ts';
import { startBareServer } from '../support/bare-server.ts';
import { gatewayScene } from '../support/gateway-scene.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

t.test('another OpenAI-compatible server: its models under their own names', { timeout: 120_000 }, async (t) => {
  const exported = await writeTinyExport(join(t.testdir(), 'export'));
  const modelsDir = join(exported.dir, '../models');
  await placeModel(modelsDir, 'their-model', exported);
  const server = await startBareServer(t, modelsDir, ['--slots', '1']);
  const scene = await gatewayScene(t, { FORGE_INFERENCE: `${server.url}/v1` });
  t.match((await scene.get('/v1/models')).body, { object: 'list', data: [{ id: 'their-model' }] });
  const models = (await scene.get('/models')).body;
  t.match(models, { active_model: 'their-model', models: [{ name: 'their-model' }] });
  t.notOk('size' in (models['models'] as object[])[0]!, 'a size that the server does not tell is absent');
  const chat = { model: 'their-model', messages: [{ role: 'user', content: 'Hello!' }], max_tokens: 5 };
  t.match(await scene.post('/v1/chat/completions', chat), { status: 200, body: { object: 'chat.completion', model: 'their-model', usage: { completion_tokens: 5 } } });
  t.match(await scene.post('/v1/query', { prompt: 'Hello!', max_tokens: 5 }), { status: 200, body: { model: 'their-model' } });
  t.equal((await scene.post('/v1/chat/completions', { ...chat, model: 'nobody' })).status, 404);
  const deleted = await fetch(`${scene.url}/v1/models/their-model`, { method: 'DELETE' });
  t.equal(deleted.status, 403);
  t.match(deleted.headers.get('x-request-id'), /./);
  t.match(await deleted.json(), { error: { code: 'permission_denied', param: 'model' }, detail: /upstream server's own; delete it there/ });
  t.match(await scene.post('/v1/responses', { model: 'their-model', input: 'Hi' }), { status: 501, body: { error: { code: 'unimplemented' } } });
  await server.kill();
  t.match(await scene.post('/v1/chat/completions', chat), { status: 503, body: { detail: /.+/ } });
});
