import OpenAI from 'openai';
import t from 'tap';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { AccessService, Scope } from '../../core/gen/aiforge/v1/access_pb.ts';
import { InferenceService } from '../../core/gen/aiforge/v1/inference_pb.ts';
import { JobService } from '../../core/gen/aiforge/v1/job_pb.ts';
import { keyedScene } from '../support/keyed-scene.ts';

t.setTimeout(60_000);

t.test('with keys on, each way in asks for one', async (t) => {
  const scene = await keyedScene(t);
  const { url, keys } = scene;

  await t.test('REST', async (t) => {
    const without = await fetch(`${url}/v1/fine-tune`);
    t.equal(without.status, 401);
    t.equal(without.headers.get('www-authenticate'), 'Bearer realm="AI Forge"');
    t.match(without.headers.get('x-request-id'), /./);
    t.match(await without.json(), { detail: /an API key is required/, error: undefined });
    const wrong = await fetch(`${url}/v1/fine-tune`, { headers: { authorization: `Bearer ${keys.train.slice(0, -1)}${keys.train.endsWith('A') ? 'B' : 'A'}` } });
    t.equal(wrong.status, 401);
    t.equal(wrong.headers.get('www-authenticate'), 'Bearer realm="AI Forge", error="invalid_token"');
    for (const authorization of ['Basic Zm9vOmJhcg==', 'Bearer', 'Bearer not-one', `Bearer forge_${'0'.repeat(12)}_${'A'.repeat(43)}`]) {
      t.equal((await fetch(`${url}/v1/fine-tune`, { headers: { authorization } })).status, 401, authorization);
    }
    const lacking = await scene.get('/v1/fine-tune', keys.inference);
    t.equal(lacking.status, 403);
    t.match(await lacking.json(), { detail: 'this API key lacks the scope train, which this takes' });
    t.equal((await scene.get('/v1/fine-tune', keys.train)).status, 200);
    t.equal((await scene.get('/v1/fine-tune', keys.admin)).status, 200, 'admin includes all');
    t.equal((await fetch(`${url}/v1/fine-tune`, { headers: { 'x-api-key': keys.train } })).status, 200, 'x-api-key');
    t.equal((await fetch(`${url}/v1/fine-tune`, { headers: { authorization: `bearer  ${keys.train}` } })).status, 200, 'the scheme has no case (RFC 7235)');
    t.equal((await fetch(`${url}/health`)).status, 200, 'health is open');
    t.equal((await fetch(`${url}/nothing`)).status, 401, 'what is not there is closed');
    t.equal((await scene.get('/nothing', keys.train)).status, 403);
    t.equal((await scene.get('/nothing', keys.admin)).status, 404);
    t.equal((await fetch(`${url}/v1/models/%ff`)).status, 401, 'and so is a path that is no UTF-8');
  });

  await t.test('the official OpenAI package raises its own exceptions', async (t) => {
    const client = (apiKey: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
    for (const bad of ['sk-nothing', `forge_${'0'.repeat(12)}_${'A'.repeat(43)}`]) {
      const error = await client(bad).models.list().then(() => undefined, (e: unknown) => e);
      t.ok(error instanceof OpenAI.AuthenticationError);
      t.match(error, { status: 401, code: 'invalid_api_key', type: 'authentication_error', requestID: /./ });
    }
    const denied = await client(keys.train).chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] }).then(() => undefined, (e: unknown) => e);
    t.ok(denied instanceof OpenAI.PermissionDeniedError);
    t.match(denied, { status: 403, code: 'permission_denied', type: 'permission_error' });
    t.same((await client(keys.inference).models.list()).data.map((model) => model.id), ['tiny']);
  });

  const transports = {
    gRPC: createGrpcTransport({ baseUrl: url }),
    'gRPC-Web': createGrpcWebTransport({ baseUrl: url, httpVersion: '1.1' }),
    'gRPC-Web, HTTP/2': createGrpcWebTransport({ baseUrl: url, httpVersion: '2' }),
    'Connect, JSON': createConnectTransport({ baseUrl: url, httpVersion: '1.1', useBinaryFormat: false }),
    'Connect, HTTP/2': createConnectTransport({ baseUrl: url, httpVersion: '2' }),
  };
  for (const [name, transport] of Object.entries(transports)) {
    await t.test(name, async (t) => {
      const jobs = createClient(JobService, transport);
      const code = async (call: Promise<unknown>): Promise<[Code, string]> => {
        const error = ConnectError.from(await call.then(() => new Error('no error'), (e: unknown) => e));
        return [error.code, error.rawMessage];
      };
      const headers = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
      t.match(await code(jobs.listFineTunes({})), [Code.Unauthenticated, /^an API key is required, as "Authorization: Bearer forge_/]);
      t.match(await code(jobs.watchJob({ jobId: 'x' })[Symbol.asyncIterator]().next()), [Code.Unauthenticated, /an API key is required/]);
      t.same(await code(jobs.listFineTunes({}, headers(keys.inference))), [Code.PermissionDenied, 'this API key lacks the scope train, which this takes']);
      t.same((await jobs.listFineTunes({}, headers(keys.train))).jobs, []);
      t.same((await createClient(InferenceService, transport).listModels({}, headers(keys.inference))).models.map((model) => model.name), ['tiny']);
      t.same(await code(createClient(AccessService, transport).createKey({ name: 'mine', scopes: [Scope.ADMIN] }, headers(keys.train))), [Code.PermissionDenied, 'this API key lacks the scope admin, which this takes']);
    });
  }
});
