import { request as httpRequest } from 'node:http';
import t from 'tap';
import { Quantization } from '../../core/gen/aiforge/v1/task_pb.ts';
import { JobStatus } from '../../core/gen/aiforge/v1/job_pb.ts';
import type { Logger } from '../../core/logger.ts';
import { jobId, startPort } from './services.ts';

const logged: string[] = [];
const logger: Logger = { info() {}, warn() {}, error: (message, fields) => void logged.push(`${message} ${String(fields?.['requestId'])} ${String(fields?.['error'])}`) };
const { url, server, probe } = await startPort({}, logger);
t.teardown(() => server.stop());

const example = '{"project_name":"my-project","base_model":"unsloth/Llama-3.2-3B-Instruct","epochs":3,"learning_rate":0.0002,"rank":64,"use_pissa":true}';

async function call(verb: string, path: string, body?: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, { method: verb, ...(body !== undefined && { body }), headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers }, signal: AbortSignal.timeout(5000) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, detail: text === '' ? undefined : (JSON.parse(text) as { detail?: string }).detail };
}

t.test('the examples of the reference', async (t) => {
  t.equal((await call('GET', '/health')).text, '{"status":"healthy","timestamp":"2024-01-17T12:00:00Z","ollama_available":true,"degraded":[],"inference":"ollama"}');
  t.equal((await call('POST', '/v1/fine-tune', example)).text, `{"job_id":"${jobId}","status":"queued","message":"Fine-tuning job queued"}`);
  const { request } = probe.created.at(-1)!;
  t.match(request, { projectName: 'my-project', baseModel: 'unsloth/Llama-3.2-3B-Instruct', epochs: 3, learningRate: 0.0002, rank: 64, usePissa: true });
  t.equal(request.seed, undefined, 'what is not given stays unset');
  t.equal(
    (await call('GET', `/status/${jobId}`)).text,
    `{"job_id":"${jobId}","status":"training","progress":45.5,"current_epoch":2,"current_step":150,"loss":1.234,"created_at":"2024-01-17T12:00:00Z","updated_at":"2024-01-17T12:15:00Z"}`,
  );
});

t.test('fields of every kind arrive', async (t) => {
  const body = '{"project_name":"a","seed":18446744073709551615,"quantization":"4bit","target_modules":["q_proj","v_proj"],"epochs":2.0,"base_model":null}';
  t.equal((await call('POST', '/v1/fine-tune', body)).status, 200);
  const { request } = probe.created.at(-1)!;
  t.equal(request.seed, 2n ** 64n - 1n, '64 bits are exact');
  t.equal(request.quantization, Quantization.QUANTIZATION_4BIT);
  t.same(request.targetModules, ['q_proj', 'v_proj']);
  t.equal(request.epochs, 2);
  t.equal(request.baseModel, undefined, 'null leaves an optional field unset');
  const list = await call('GET', '/v1/fine-tune?status=training&page_size=3&project_name=a%20b');
  t.match(JSON.parse(list.text), { jobs: [{ job_id: jobId, status: 'training', progress: 3 }], next_page_token: '' });
  t.equal((await call('GET', '/v1/fine-tune')).text, '{"jobs":[],"next_page_token":""}', 'empty lists are there');
  t.equal(JobStatus.TRAINING, 3);
});

t.test('bad input is a 400 that names the field, and creates nothing', async (t) => {
  const before = probe.created.length;
  const deep = `{"project_name":${'['.repeat(50)}${']'.repeat(50)}}`;
  const cases: [string | Uint8Array<ArrayBuffer>, RegExp][] = [
    ['{', /^body: is not valid JSON/],
    ['{"project_name":"a",}', /^body: is not valid JSON/],
    ['[]', /^body: must be a JSON object/],
    ['"a"', /^body: must be a JSON object/],
    ['null', /^body: must be a JSON object/],
    ['{"project_name":"a"} x', /after the end/],
    [deep, /^body: .*nested deeper/],
    [new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), /^body: is not valid UTF-8/],
    ['{"project_name":"\\ud800"}', /^body: .*surrogate/],
    ['{"project_name":"a","project_name":"b"}', /^body: .*"project_name" stands twice/],
    ['{"project_name":"a","__proto__":{"x":1}}', /^__proto__: no such field/],
    ['{"project_name":"a","constructor":1}', /^constructor: no such field/],
    ['{"projectName":"a"}', /^projectName: no such field; known: project_name/],
    ['{"project_name":1}', /^project_name: must be a string/],
    ['{"project_name":null}', /^project_name: must not be null/],
    ['{"project_name":"a","epochs":"3"}', /^epochs: must be a whole number, without quotes/],
    ['{"project_name":"a","epochs":1.5}', /^epochs: must be a whole number/],
    ['{"project_name":"a","epochs":-1}', /^epochs: must be from 0 to 4294967295/],
    ['{"project_name":"a","epochs":4294967296}', /^epochs: must be from 0 to 4294967295/],
    ['{"project_name":"a","epochs":1e400}', /^epochs: must be from 0/],
    ['{"project_name":"a","seed":18446744073709551616}', /^seed: must be from 0 to 18446744073709551615/],
    ['{"project_name":"a","learning_rate":"fast"}', /^learning_rate: must be a number/],
    ['{"project_name":"a","learning_rate":1e999}', /^learning_rate: is too large/],
    ['{"project_name":"a","use_pissa":1}', /^use_pissa: must be true or false/],
    ['{"project_name":"a","quantization":"QUANTIZATION_4BIT"}', /^quantization: must be one of "none", "8bit", "4bit"/],
    ['{"project_name":"a","quantization":3}', /^quantization: must be one of/],
    ['{"project_name":"a","quantization":"unspecified"}', /^quantization: must be one of/],
    ['{"project_name":"a","target_modules":"q_proj"}', /^target_modules: must be a list/],
    ['{"project_name":"a","target_modules":["q",2]}', /^target_modules\[1\]: must be a string/],
    ['{"project_name":"a","epochs":0}', /^epochs: must be at least 1/],
  ];
  for (const [body, detail] of cases) {
    const answer = await call('POST', '/v1/fine-tune', body);
    t.equal(answer.status, 400, String(body));
    t.match(answer.detail, detail);
  }
  t.equal(probe.created.length, before);
});

t.test('bad queries, paths and headers', async (t) => {
  for (const [verb, path, status, detail, headers] of [
    ['GET', '/v1/fine-tune?page=2', 400, /^page: no such query parameter; known: page_size/],
    ['GET', '/v1/fine-tune?page_size=x', 400, /^page_size: must be a number/],
    ['GET', '/v1/fine-tune?page_size=', 400, /^page_size: must be a number/],
    ['GET', '/v1/fine-tune?page_size=1&page_size=2', 400, /^page_size: stands twice/],
    ['GET', '/v1/fine-tune?status=done', 400, /^status: must be one of "queued", "preparing"/],
    ['GET', '/status/%ff', 400, /^job_id: is not valid percent-encoded/],
    ['GET', '/status/nobody', 404, /^job_id: no such job: nobody/],
    ['GET', '/status/', 404, /No such route/],
    ['GET', '/status/a/b', 404, /No such route/],
    ['GET', '/health/', 404, /No such route/],
    ['GET', '//evil.example/health', 404, /No such route/],
    ['POST', '/v1/fine-tune?epochs=3', 400, /^query: /],
    ['PUT', '/v1/fine-tune', 405, /allowed: GET, HEAD, OPTIONS, POST/],
    ['GET', '/health', 403, /^Origin: /, { origin: 'https://evil.example' }],
    ['GET', '/health', 403, /^Origin: /, { origin: 'null' }],
    ['POST', '/validate/a', 400, /not completed yet/],
  ] as const) {
    const answer = await call(verb, path, undefined, headers);
    t.equal(answer.status, status, `${verb} ${path}`);
    t.match(answer.detail, detail);
  }
  t.equal((await call('DELETE', '/v1/fine-tune')).headers.get('allow'), 'GET, HEAD, OPTIONS, POST');
  t.match((await call('POST', '/v1/fine-tune', example, { 'content-type': 'text/plain' })).detail, /^Content-Type: /);
  t.match((await call('POST', '/v1/fine-tune', example, { 'content-encoding': 'gzip' })).detail, /^Content-Encoding: /);
  t.match((await call('POST', `/v1/fine-tune/${jobId}/pause`, '{"job_id":"other"}')).detail, /^job_id: no such field/);
  t.equal((await call('POST', `/v1/fine-tune/${jobId}/pause`, '{}')).status, 200, 'an empty object is no field');
});

t.test('a foreign Host is refused, as a page behind a rebound name would send it', async (t) => {
  const status = await new Promise((resolve, reject) => {
    httpRequest(`${url}/health`, { headers: { host: 'evil.example' } }, (response) => resolve(response.resume().statusCode)).on('error', reject).end();
  });
  t.equal(status, 403);
});

t.test('an oversized body is a 413, announced or not', async (t) => {
  const large = new Uint8Array(1024 * 1024 + 1).fill(0x20);
  const announced = await call('POST', '/v1/fine-tune', large);
  t.equal(announced.status, 413);
  t.match(announced.detail, /^body: must be at most 1048576 bytes/);
  const stream = new ReadableStream({ start: (controller) => { controller.enqueue(large); controller.close(); } });
  const response = await fetch(`${url}/v1/fine-tune`, { method: 'POST', body: stream, duplex: 'half', headers: { 'content-type': 'application/json' } } as RequestInit);
  t.equal(response.status, 413);
  t.equal((await call('POST', '/v1/fine-tune', `${' '.repeat(1024 * 1024 - example.length)}${example}`)).status, 200, 'one of the limit is taken');
});

t.test('request ids, Idempotency-Key, HEAD and OPTIONS', async (t) => {
  t.match((await call('GET', '/health')).headers.get('x-request-id'), /^[0-9a-f-]{36}$/);
  t.equal((await call('GET', '/nothing', undefined, { 'x-request-id': 'abc-1' })).headers.get('x-request-id'), 'abc-1');
  t.not((await call('GET', '/health', undefined, { 'x-request-id': 'a b<' })).headers.get('x-request-id'), 'a b<');
  await call('POST', '/v1/fine-tune', example, { 'idempotency-key': 'key-1', 'x-request-id': 'r1' });
  t.match(probe.created.at(-1)!.context, { idempotencyKey: 'key-1', requestId: 'r1', caller: 'anonymous' });
  t.match((await call('POST', '/v1/fine-tune', example, { 'idempotency-key': 'x'.repeat(256) })).detail, /^Idempotency-Key: must be 1 to 255/);
  const head = await call('HEAD', '/health');
  t.equal(head.status, 200);
  t.equal(head.text, '');
  t.ok(Number(head.headers.get('content-length')) > 50);
  const options = await call('OPTIONS', `/status/${jobId}`);
  t.equal(options.status, 204);
  t.equal(options.headers.get('allow'), 'GET, HEAD, OPTIONS');
});

t.test('a page of this host may read answers', async (t) => {
  const origin = 'http://localhost:3000';
  const preflight = await call('OPTIONS', '/v1/fine-tune', undefined, { origin, 'access-control-request-method': 'POST' });
  t.equal(preflight.status, 204);
  t.match(preflight.headers.get('access-control-allow-headers'), /content-type/i);
  const answer = await call('GET', '/health', undefined, { origin });
  t.equal(answer.headers.get('access-control-allow-origin'), origin);
});

t.test('what is unknown is a 500 with a request id, and the log has the rest', async (t) => {
  const answer = await call('POST', '/v1/fine-tune', '{"project_name":"broken"}', { 'x-request-id': 'r-500' });
  t.equal(answer.status, 500);
  t.equal(answer.text, '{"detail":"Internal error; the log has more under request r-500"}');
  t.match(logged.at(-1), /r-500 TypeError: secret of the inside/);
});

t.test('work that goes on is a 202 that says where to look', async (t) => {
  const answer = await call('POST', `/deploy/${jobId}`);
  t.equal(answer.status, 202);
  t.equal(answer.headers.get('retry-after'), '5');
  t.same(JSON.parse(answer.text), { job_id: jobId, status: 'running', message: 'The deployment goes on; ask GET /status again' });
});

t.test('a method learns that its client went away', async (t) => {
  const aborted = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  probe.validate = (context) =>
    new Promise((_, reject) => {
      context.signal.addEventListener('abort', () => (reject(context.signal.reason), aborted.resolve()));
      entered.resolve();
    });
  const controller = new AbortController();
  const answer = fetch(`${url}/validate/${jobId}`, { method: 'POST', signal: controller.signal });
  await entered.promise;
  controller.abort();
  await t.rejects(answer);
  await aborted.promise;
});
