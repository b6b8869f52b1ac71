// What keys, tickets and limits do on running gateways.
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import OpenAI from 'openai';
import t from 'tap';
import { WebSocket } from 'ws';
import { apiKeyAggregate } from '../../core/access/api-key.ts';
import { createKey } from '../../core/access/manage.ts';
import { Scope } from '../../core/gen/aiforge/v1/access_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { gatewayScene } from '../support/gateway-scene.ts';
import { keyedScene, type KeyedScene } from '../support/keyed-scene.ts';

t.setTimeout(90_000);

const chat = { model: 'tiny', messages: [{ role: 'user' as const, content: 'Hi' }] };
const whole = JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'tiny', choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello' } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } });

/** What an upgrade comes to: its status, and the headers of a refusal. */
function upgrade(url: string, options: { headers?: Record<string, string>; origin?: string } = {}): Promise<{ status: number; headers: Record<string, unknown>; socket: WebSocket }> {
  const socket = new WebSocket(url.replace('http', 'ws'), options);
  return new Promise((resolve, reject) => {
    socket.on('error', (error) => { if (socket.readyState !== WebSocket.CLOSING && socket.readyState !== WebSocket.CLOSED) reject(error); });
    socket.once('open', () => resolve({ status: 101, headers: {}, socket }));
    socket.once('unexpected-response', (_request, response) => {
      response.resume();
      resolve({ status: response.statusCode!, headers: response.headers, socket });
    });
  });
}

async function ticketOf(scene: KeyedScene, key: string, url = scene.url): Promise<string> {
  const response = await fetch(`${url}/v1/tickets`, { method: 'POST', headers: { authorization: `Bearer ${key}` } });
  const body = (await response.json()) as { ticket: string; expires_at: string };
  t.equal(response.status, 200);
  return body.ticket;
}

t.test('keys and tickets across two gateways', async (t) => {
  const scene = await keyedScene(t);
  const { url, keys } = scene;
  const second = await scene.another();
  const on = (base: string, key: string, path = '/v1/fine-tune', init: RequestInit = {}) => fetch(base + path, { ...init, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } });

  await t.test('made by the API, listed, revoked; shown once; used', async (t) => {
    const made = await on(url, keys.admin, '/v1/api-keys', { method: 'POST', body: '{"name":"ci","scopes":["train","inference"],"expires_in_seconds":3600}' });
    t.equal(made.status, 200);
    t.equal(made.headers.get('cache-control'), 'no-store');
    const { key, secret } = (await made.json()) as { key: { key_id: string }; secret: string };
    t.match(key, { key_id: secret.split('_')[1]!, name: 'ci', scopes: ['inference', 'train'], created_at: /Z$/, expires_at: /Z$/, revoked_at: undefined, last_used_at: undefined });
    for (const [body, detail] of [['{}', /^name: is required/], ['{"name":"x","scopes":["all"]}', /^scopes\[0\]: must be one of/], ['{"name":"x","scopes":["train"],"expires_in_seconds":0}', /^expires_in_seconds: /]] as const) {
      const refused = await on(url, keys.admin, '/v1/api-keys', { method: 'POST', body });
      t.equal(refused.status, 400);
      t.match(await refused.json(), { detail });
    }
    const list = async (base: string) => ((await (await on(base, keys.admin, '/v1/api-keys')).json()) as { keys: Record<string, unknown>[] }).keys;
    t.equal((await list(second))[0]!['name'], 'ci', 'the other gateway has it');

    const noted = Promise.withResolvers<void>();
    let uses = 0;
    t.teardown(scene.ledger.onApplied(({ stored }) => {
      if (stored.id !== key.key_id || stored.envelope.events[0]?.kind.case !== 'apiKeyUsed') return;
      uses += 1;
      noted.resolve();
    }));
    for (let n = 0; n < 5; n++) t.equal((await on(n % 2 ? url : second, secret)).status, 200);
    await noted.promise;
    t.match((await list(url))[0], { key_id: key.key_id, last_used_at: /Z$/ });

    const revoked = await on(url, keys.admin, `/v1/api-keys/${key.key_id}`, { method: 'DELETE' });
    t.match(await revoked.json(), { key: { key_id: key.key_id, revoked_at: /Z$/ } });
    t.equal((await on(url, secret)).status, 401, 'at once');
    t.match((await list(second))[0], { revoked_at: /Z$/ }, 'the other gateway has read it');
    const refused = await on(second, secret);
    t.equal(refused.status, 401);
    t.match(await refused.json(), { detail: 'this API key was revoked' });
    t.equal((await on(url, keys.admin, `/v1/api-keys/${key.key_id}`, { method: 'DELETE' })).status, 200, 'again is a repeat');
    t.equal((await on(url, keys.admin, '/v1/api-keys/nobody', { method: 'DELETE' })).status, 404);
    await scene.ledger.catchUp();
    t.equal(uses, 1, 'two gateways noted five uses once');
    t.notOk(scene.log().includes(secret.slice(19)), 'no log has the key');
  });

  await t.test('one that expires', async (t) => {
    const { secret } = await createKey(scene.ledger, { name: 'short', scopes: [Scope.TRAIN], expiresInSeconds: 1 }, 'test', Date.now() - 2_000);
    await on(url, keys.admin, '/v1/api-keys');
    const expired = await on(url, secret);
    t.equal(expired.status, 401);
    t.match(await expired.json(), { detail: 'this API key has expired' });
  });

  await t.test('what a key has open ends when it is revoked, on the other gateway too', async (t) => {
    const { keyId, secret } = await createKey(scene.ledger, { name: 'open', scopes: [Scope.INFERENCE, Scope.TRAIN] }, 'test');
    await on(second, keys.admin, '/v1/api-keys');
    const stream = on(second, secret, '/v1/chat/completions', { method: 'POST', body: JSON.stringify({ ...chat, stream: true }) });
    const upstream = await scene.nextChat();
    upstream.setHeader('content-type', 'text/event-stream');
    upstream.write('data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"tiny","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');
    const reader = (await stream).body!.getReader();
    t.notOk((await reader.read()).done);
    const gone = once(upstream, 'close');
    t.equal((await on(url, keys.admin, `/v1/api-keys/${keyId}`, { method: 'DELETE' })).status, 200);
    await t.rejects((async () => { while (!(await reader.read()).done); })(), 'the stream is cut');
    await gone;
    t.pass('and the generation stopped');
  });

  await t.test('what a key has open ends when it expires', async (t) => {
    const { secret } = await createKey(scene.ledger, { name: 'brief', scopes: [Scope.INFERENCE], expiresInSeconds: 5 }, 'test');
    await on(second, keys.admin, '/v1/api-keys');
    const stream = on(second, secret, '/v1/chat/completions', { method: 'POST', body: JSON.stringify({ ...chat, stream: true }) });
    const upstream = await scene.nextChat();
    const gone = once(upstream, 'close');
    upstream.setHeader('content-type', 'text/event-stream');
    upstream.write('data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"tiny","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');
    const reader = (await stream).body!.getReader();
    t.notOk((await reader.read()).done);
    await t.rejects((async () => { while (!(await reader.read()).done); })(), 'the stream is cut');
    await gone;
    t.match(await (await on(second, secret)).json(), { detail: 'this API key has expired' });
  });

  await t.test('a WebSocket takes a key or a ticket', async (t) => {
    const path = '/ws/training/job_1';
    const refused = await upgrade(url + path);
    t.match(refused, { status: 401, headers: { 'www-authenticate': /^Bearer/, 'x-request-id': /./ } });
    t.match(await upgrade(url + path, { headers: { authorization: `Bearer ${keys.inference}`, 'x-request-id': 'mine-1' } }), { status: 403, headers: { 'x-request-id': 'mine-1' } });
    const byKey = await upgrade(url + path, { headers: { authorization: `Bearer ${keys.train}` } });
    t.equal(byKey.status, 101);
    const [code] = (await once(byKey.socket, 'close')) as [number];
    t.equal(code, 4404, 'it is let in, and there is no such job');

    t.equal((await fetch(`${url}/v1/tickets`, { method: 'POST' })).status, 401);
    const ticket = await ticketOf(scene, keys.train);
    t.match(ticket, /^[A-Za-z0-9_-]{43}$/);
    const byTicket = await upgrade(`${second}${path}?ticket=${ticket}`);
    t.equal(byTicket.status, 101, 'made at one gateway, used at the other');
    t.equal(((await once(byTicket.socket, 'close')) as [number])[0], 4404, 'the ticket is no parameter of the feed');
    for (const base of [url, second]) t.match(await upgrade(`${base}${path}?ticket=${ticket}`), { status: 401 }, 'once');

    const contested = await ticketOf(scene, keys.train);
    const outcomes = await Promise.all([url, second, url, second].map((base) => upgrade(`${base}${path}?ticket=${contested}`)));
    t.same(outcomes.map(({ status }) => status).sort(), [101, 401, 401, 401], 'of several at once, one');
    t.match(await upgrade(`${url}${path}?ticket=${await ticketOf(scene, keys.inference)}`), { status: 403 }, 'it is worth what its key is');
    for (const bad of ['', 'x', 'A'.repeat(43)]) t.match(await upgrade(`${url}${path}?ticket=${bad}`), { status: 401 }, `ticket "${bad}"`);
    t.equal((await fetch(`${url}/v1/fine-tune?ticket=${await ticketOf(scene, keys.train)}`)).status, 401, 'it opens WebSockets alone');
    t.equal((await upgrade(`${url}${path}?ticket=${ticket}`, { origin: 'https://evil.example' })).status, 403);
  });
});

t.test('Idempotency-Keys of two API keys do not meet', async (t) => {
  const scene = await gatewayScene(t, { FORGE_API_KEYS: 'on' });
  await scene.guardian();
  const connection = await connectNats(scene.nats.url, 'keys');
  const ledger = new Ledger({ store: await createJetStreamStore(connection), aggregates: [apiKeyAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(async () => { await ledger.stop(); await connection.close(); });
  const make = async (scope: Scope) => (await createKey(ledger, { name: 'x', scopes: [scope] }, 'test')).secret;
  const [admin, mine, yours] = [await make(Scope.ADMIN), await make(Scope.TRAIN), await make(Scope.TRAIN)];
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  t.equal((await fetch(`${scene.url}/v1/api-keys`, { headers: bearer(admin) })).status, 200);
  const post = (key: string, epochs = 1) => scene.post('/v1/fine-tune', { project_name: scene.project, epochs }, { ...bearer(key), 'idempotency-key': 'monday' });
  const first = await post(mine);
  t.equal(first.status, 200);
  t.equal((await post(mine)).body['job_id'], first.body['job_id']);
  t.equal((await post(mine, 2)).status, 409);
  const other = await post(yours, 2);
  t.equal(other.status, 200);
  t.not(other.body['job_id'], first.body['job_id']);
});

t.test('limits', async (t) => {
  const scene = await keyedScene(t, { FORGE_MAX_REQUESTS: '4', FORGE_MAX_INFERENCE: '3', FORGE_MAX_INFERENCE_PER_KEY: '2', FORGE_FIRST_BYTE_MS: '400', FORGE_MAX_BODY_BYTES: '2048' });
  const { url, keys } = scene;
  const client = (apiKey: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
  const error = (call: Promise<unknown>): Promise<unknown> => call.then(() => undefined, (thrown: unknown) => thrown);

  await t.test('a body over the limit is a 413, announced or not, and no backend hears of it', async (t) => {
    const long = { ...chat, user: 'x'.repeat(3000) };
    t.match(await error(client(keys.inference).chat.completions.create(long)), { status: 413, message: /body: must be at most 2048 bytes/ });
    const body = new Blob([JSON.stringify(long)]).stream();
    const chunked = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body, duplex: 'half', headers: { authorization: `Bearer ${keys.inference}`, 'content-type': 'application/json' } } as RequestInit);
    t.equal(chunked.status, 413);
    t.equal((await scene.post('/v1/fine-tune', keys.train, { project_name: 'x'.repeat(3000) })).status, 413, 'REST');
  });

  await t.test('a backend that does not begin is a 504, and is stopped', async (t) => {
    const late = error(client(keys.inference).chat.completions.create(chat));
    const upstream = await scene.nextChat();
    const gone = once(upstream, 'close');
    t.match(await late, { status: 504, code: 'deadline_exceeded', message: /did not begin its answer within 0.4 s \(FORGE_FIRST_BYTE_MS\)/ });
    await gone;
    const silent = error(client(keys.inference).chat.completions.create({ ...chat, stream: true }));
    const headersOnly = await scene.nextChat();
    const cut = once(headersOnly, 'close');
    headersOnly.setHeader('content-type', 'text/event-stream').flushHeaders();
    t.match(await silent, { status: 504 }, 'headers alone are no beginning');
    await cut;
  });

  await t.test('open requests are bounded: of a key, of models, of all', async (t) => {
    const begun = async (key: string) => {
      const answer = client(key).chat.completions.create({ ...chat, stream: true });
      const upstream = await scene.nextChat();
      upstream.setHeader('content-type', 'text/event-stream');
      upstream.write('data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"tiny","choices":[]}\n\n');
      return { stream: await answer, upstream };
    };
    const open = [await begun(keys.inference), await begun(keys.inference)];
    const perKey = await error(client(keys.inference).chat.completions.create(chat));
    t.ok(perKey instanceof OpenAI.RateLimitError);
    t.match(perKey, { status: 429, code: 'rate_limit_exceeded', type: 'rate_limit_error', requestID: /./, message: /by this API key: 2 are open, the limit \(FORGE_MAX_INFERENCE_PER_KEY\)/ });
    t.equal((perKey as InstanceType<typeof OpenAI.RateLimitError>).headers.get('retry-after'), '1');
    t.equal((await scene.get('/v1/models', keys.inference)).status, 200, 'listing asks no model');

    open.push(await begun(keys.admin));
    t.match(await error(client(keys.admin).chat.completions.create(chat)), { status: 429, message: /too many requests to models: 3 are open/ });
    const query = await scene.post('/v1/query', keys.admin, { prompt: 'x' });
    t.match([query.status, query.headers.get('retry-after'), query.headers.has('x-request-id')], [429, '1', true], 'REST');
    t.match(await query.json(), { detail: /FORGE_MAX_INFERENCE/, error: undefined });

    const feed = new AbortController();
    const watching = fetch(`${url}/aiforge.v1.InferenceService/Query`, { method: 'POST', body: '{"prompt":"x"}', headers: { authorization: `Bearer ${keys.admin}`, 'content-type': 'application/json', 'connect-protocol-version': '1' }, signal: feed.signal });
    t.match([(await watching).status, await (await watching).json()], [429, { code: 'resource_exhausted' }], 'Connect');

    // An upload that takes its time holds the last place.
    const slow = request(`${url}/v1/fine-tune`, { method: 'POST', headers: { authorization: `Bearer ${keys.train}`, 'content-type': 'application/json', expect: '100-continue' } });
    const uploaded = once(slow, 'response') as Promise<[IncomingMessage]>;
    slow.flushHeaders();
    await once(slow, 'continue');
    const full = await scene.get('/v1/fine-tune', keys.train);
    t.match([full.status, full.headers.get('retry-after')], [429, '1']);
    t.match(await full.json(), { detail: /too many requests: 4 are open, the limit \(FORGE_MAX_REQUESTS\)/ });
    t.equal((await fetch(`${url}/health`)).status, 200, 'health is always asked');
    slow.end('{');
    t.equal((await uploaded)[0].resume().statusCode, 400);

    for (const { stream, upstream } of open) {
      upstream.end('data: [DONE]\n\n');
      for await (const _ of stream);
    }
    const after = client(keys.inference).chat.completions.create(chat);
    (await scene.nextChat()).setHeader('content-type', 'application/json').end(whole);
    t.equal((await after).choices[0]!.message.content, 'Hello', 'the places are free again');
  });
});

t.test('pages and names of the lists', async (t) => {
  const scene = await keyedScene(t, { FORGE_ALLOWED_ORIGINS: 'https://chat.example.org', FORGE_ALLOWED_HOSTS: 'forge.example.org', FORGE_API_KEYS: 'auto' });
  const { url, keys } = scene;
  const origin = 'https://chat.example.org';
  t.equal((await fetch(`${url}/v1/models`)).status, 401, 'a name that is no loopback one turns keys on');
  const preflight = await fetch(`${url}/v1/chat/completions`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type,x-stainless-os,x-evil' } });
  t.equal(preflight.status, 204, 'a preflight needs no key');
  t.equal(preflight.headers.get('access-control-allow-origin'), origin);
  t.equal(preflight.headers.get('access-control-allow-credentials'), null);
  t.match(preflight.headers.get('access-control-allow-headers')?.toLowerCase(), /authorization.*x-api-key.*x-stainless-os/);
  t.notMatch(preflight.headers.get('access-control-allow-headers'), /x-evil/);
  for (const headers of [{ origin }, { origin, authorization: `Bearer ${keys.inference}` }]) {
    const answer = await fetch(`${url}/v1/models`, { headers });
    t.equal(answer.headers.get('access-control-allow-origin'), origin, `${answer.status}`);
    t.match(answer.headers.get('access-control-expose-headers'), /x-request-id, retry-after/);
    t.equal(answer.headers.get('vary'), 'origin');
  }
  for (const foreign of ['https://evil.example', 'http://chat.example.org', 'https://chat.example.org:8443', 'https://chat.example.org.evil.example', 'null']) {
    const answer = await fetch(`${url}/v1/models`, { headers: { origin: foreign, authorization: `Bearer ${keys.inference}` } });
    t.match([answer.status, answer.headers.get('access-control-allow-origin')], [403, null], foreign);
    t.match(await answer.json(), { error: { code: 'permission_denied' }, detail: /FORGE_ALLOWED_ORIGINS/ });
  }
  const { port } = new URL(url);
  const status = (host: string, more: Record<string, string> = {}): Promise<number> => upgrade(`${url}/ws/training/x`, { headers: { host, authorization: `Bearer ${keys.train}`, ...more } }).then((answer) => (answer.socket.terminate(), answer.status));
  t.equal(await status('forge.example.org'), 101);
  t.equal(await status(`forge.example.org:${port}`), 101);
  t.equal(await status('forge.example.org', { origin: 'https://forge.example.org' }), 101, 'a page of its own');
  t.equal(await status('forge.example.org', { origin: 'http://localhost:3000' }), 403, 'of the visitor’s machine, which is another');
  for (const host of ['evil.example', 'forge.example.org.evil.example', '192.0.2.7', 'forge.example.org@evil.example']) t.equal(await status(host), 403, host);
});
