import { join } from 'node:path';
import { once } from 'node:events';
import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { createUpstreamBackend } from '../../gateway/inference/upstream.ts';
import { startLane } from '../support/chat-lane.ts';
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

/** Lets through to `url` what brings the key, as a server behind keys does. */
async function keyedServer(t: Test, url: string, key: string): Promise<string> {
  const server = createServer((request, response) => {
    if (request.headers.authorization !== `Bearer ${key}`) {
      request.resume();
      response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { message: `Incorrect API key provided: ${request.headers.authorization}`, type: 'invalid_request_error', code: 'invalid_api_key' } }));
      return;
    }
    const passed = send(`${url}${request.url}`, { method: request.method, headers: { 'content-type': 'application/json', 'content-length': request.headers['content-length'] ?? '0' } }, (answer) => {
      response.writeHead(answer.statusCode!, { 'content-type': answer.headers['content-type'] ?? '' });
      answer.pipe(response);
    });
    request.pipe(passed);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('a server that wants a key gets ours, and the client hears when it does not take it', { timeout: 120_000 }, async (t) => {
  const exported = await writeTinyExport(join(t.testdir(), 'export'));
  const modelsDir = join(exported.dir, '../models');
  await placeModel(modelsDir, 'their-model', exported);
  const server = await startBareServer(t, modelsDir, ['--slots', '1']);
  const url = await keyedServer(t, server.url, 'sk-theirs');
  const chat = { model: 'their-model', messages: [{ role: 'user', content: 'Hello!' }], max_tokens: 5 };
  const signal = AbortSignal.timeout(60_000);
  const lane = async (key: string) => startLane(t, createUpstreamBackend(url, key), { 'their-model': 'their-model' });
  const answered = await (await lane('sk-theirs')).post(chat, signal);
  t.equal(answered.status, 200);
  t.match(await answered.json(), { model: 'their-model', usage: { completion_tokens: 5 } });
  for (const key of ['', 'sk-wrong']) {
    const refused = await (await lane(key)).post(chat, signal);
    t.equal(refused.status, 503, 'not a 401, which would speak of the key of the client');
    const body = await refused.text();
    t.match(JSON.parse(body), { detail: /status 401.*FORGE_INFERENCE_KEY/ });
    t.notMatch(body, /sk-/);
    await t.rejects(createUpstreamBackend(url, key).models(signal), { code: 'unavailable', message: /FORGE_INFERENCE_KEY/ });
  }
});
