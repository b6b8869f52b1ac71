// The official OpenAI packages, Node and Python, through every endpoint: one suite, run on each backend.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import OpenAI, { APIError, BadRequestError, InternalServerError, NotFoundError, PermissionDeniedError, RateLimitError } from 'openai';
import t, { type Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import type { InferenceBackend } from '../../gateway/inference/backend.ts';
import { createEmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { createOllamaBackend } from '../../gateway/inference/ollama.ts';
import { createUpstreamBackend } from '../../gateway/inference/upstream.ts';
import { startLane } from '../support/chat-lane.ts';
import { startModelScene } from '../support/model-scene.ts';
import { needsOllama, startOllama } from '../support/ollama.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(240_000);

const python = resolve(import.meta.dirname, '../../.venv/bin/python');
const [first, second] = ['job_20260101_000000', 'job_20260102_000000'];
const alias = 'shop:latest';
const soon = (): AbortSignal => AbortSignal.timeout(60_000);
/** Of the tiny model. */
const width = 64;

type Endpoint = 'chat' | 'completions' | 'embeddings' | 'responses';

interface Scene {
  backend: InferenceBackend;
  has: readonly Endpoint[];
  /** Whether it gives embeddings of fewer numbers than the model's. */
  shortens: boolean;
  /** Of a prompt that does not fit. */
  tooLong: string;
  /** kill -9 of what generates. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

async function ollamaScene(t: Test): Promise<Scene> {
  const ollama = await startOllama(t);
  return { backend: createOllamaBackend(ollama.url), has: ['chat', 'completions', 'embeddings', 'responses'], shortens: true, tooLong: 'context_length_exceeded', kill: ollama.kill, start: ollama.start };
}

async function embeddedScene(t: Test): Promise<Scene> {
  const backend = createEmbeddedBackend({ modelsDir: join(t.testdir(), 'models'), threads: 1, logger: silentLogger, limits: ['--context', '16384', '--slots', '1'] });
  backend.start();
  return { backend, has: ['chat', 'completions', 'embeddings'], shortens: false, tooLong: 'context_length_exceeded', kill: async () => void process.kill(backend.pid!, 'SIGKILL'), start: async () => undefined };
}

function suite(name: string, scene: (t: Test) => Promise<Scene>, options: { skip?: string } = {}): void {
  t.test(name, { ...options, timeout: 150_000 }, async (t) => {
    const { backend, has, shortens, tooLong: tooLongCode, kill, start } = await scene(t);
    const without = (endpoint: Endpoint) => (has.includes(endpoint) ? {} : { skip: `${name} has no ${endpoint}` });
    const dir = t.testdir({ exports: {} });
    for (const [seed, job] of [first, second].entries()) await backend.create(`shop:${job}`, await writeTinyExport(join(dir, 'exports', job), { seed: seed + 1 }), soon());
    const models = await startModelScene(t, backend);
    for (const job of [second, first]) await models.promote('shop', job);
    const client = new OpenAI({ baseURL: models.lane.base, apiKey: 'not-needed', maxRetries: 0, timeout: 60_000 });
    const chat = { model: alias, messages: [{ role: 'user' as const, content: 'Hello!' }], max_tokens: 8, temperature: 0 };
    const texts: Partial<Record<Endpoint, string>> = {};

    await t.test('Node: chat, whole and streamed', async (t) => {
      const answer = await client.chat.completions.create(chat);
      t.match(answer, { object: 'chat.completion', model: alias, choices: [{ finish_reason: 'length', message: { role: 'assistant' } }], usage: { completion_tokens: 8 } });
      texts.chat = answer.choices[0]!.message.content!;
      t.equal(texts.chat.length, 8);
      const stream = client.chat.completions.stream({ ...chat, stream_options: { include_usage: true } });
      t.equal(await stream.finalContent(), texts.chat);
      t.equal((await stream.totalUsage()).completion_tokens, 8);
      t.equal((await stream.finalChatCompletion()).model, alias);
    });

    await t.test('Node: completions, whole and streamed', without('completions'), async (t) => {
      const request = { model: alias, prompt: 'def f', max_tokens: 8, temperature: 0 };
      const answer = await client.completions.create(request);
      t.match(answer, { object: 'text_completion', model: alias, choices: [{ index: 0, finish_reason: 'length' }], usage: { completion_tokens: 8 } });
      texts.completions = answer.choices[0]!.text;
      t.equal(texts.completions.length, 8);
      const chunks = await Array.fromAsync(await client.completions.create({ ...request, stream: true, stream_options: { include_usage: true } }));
      t.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? '').join(''), texts.completions);
      t.strictSame([...new Set(chunks.map((chunk) => chunk.model))], [alias]);
      t.equal(chunks.at(-1)!.usage!.completion_tokens, 8);
    });

    await t.test('Node: embeddings, as numbers and as base64', without('embeddings'), async (t) => {
      // The package asks for base64 where nothing is said, and decodes it.
      const [several, plain] = await Promise.all([
        client.embeddings.create({ model: alias, input: ['def f', 'def g'] }),
        client.embeddings.create({ model: alias, input: 'def f', encoding_format: 'float' }),
      ]);
      t.match(several, { object: 'list', model: alias, data: [{ object: 'embedding', index: 0 }, { object: 'embedding', index: 1 }], usage: { prompt_tokens: 10, total_tokens: 10 } });
      t.equal(plain.data[0]!.embedding.length, width);
      t.ok(apart(several.data[0]!.embedding, plain.data[0]!.embedding) < 1e-6, 'the same numbers either way');
      t.ok(apart(several.data[1]!.embedding, plain.data[0]!.embedding) > 1e-3, 'another text has others');
      const few = client.embeddings.create({ model: alias, input: 'def f', dimensions: 4 });
      if (shortens) t.equal((await few).data[0]!.embedding.length, 4);
      else await t.rejects(few, raised(BadRequestError, { param: 'dimensions' }));
      await t.rejects(client.embeddings.create({ model: alias, input: 'def f', dimensions: width + 1 }), raised(BadRequestError, { param: 'dimensions' }));
      await t.rejects(client.embeddings.create({ model: alias, input: '' }), raised(BadRequestError, { param: 'input' }));
    });

    await t.test('Node: responses, whole and streamed', without('responses'), async (t) => {
      const request = { model: alias, input: 'Hello!', max_output_tokens: 8, temperature: 0 };
      const answer = await client.responses.create(request);
      t.match(answer, { object: 'response', model: alias, status: String, usage: { output_tokens: 8 } });
      texts.responses = answer.output_text;
      t.equal(texts.responses, texts.chat, 'the same conversation');
      const seen: string[] = [];
      const stream = client.responses.stream(request).on('event', (event) => { if ('response' in event) seen.push(event.response.model); });
      t.equal((await stream.finalResponse()).output_text, texts.responses);
      t.strictSame([...new Set(seen)], [alias]);
    });

    if (!has.includes('responses')) {
      await t.test('Node: responses where there are none', async (t) => {
        await t.rejects(client.responses.create({ model: alias, input: 'Hello!' }), raised(InternalServerError, { status: 501, code: 'unimplemented', message: /no POST \/v1\/responses/ }));
      });
    }

    await t.test('Node: errors are its own classes', async (t) => {
      await t.rejects(client.chat.completions.create({ ...chat, model: 'nobody' }), raised(NotFoundError, { code: 'model_not_found', param: 'model', message: /there is shop:latest/ }));
      await t.rejects(client.chat.completions.create({ ...chat, temperature: 9 }), raised(BadRequestError, { param: 'temperature', code: 'invalid_argument', type: 'invalid_request_error' }));
      await t.rejects(client.models.delete(`shop:${first}`), raised(BadRequestError, { param: 'model' }));
    });

    await t.test('Node: a prompt that does not fit', async (t) => {
      const long = 'x'.repeat(40_000);
      const tooLong = (param: string) => raised(BadRequestError, { code: tooLongCode, type: 'invalid_request_error', param });
      await t.rejects(client.chat.completions.create({ ...chat, messages: [{ role: 'user', content: long }] }), tooLong('messages'));
      if (has.includes('completions')) await t.rejects(client.completions.create({ model: alias, prompt: long, max_tokens: 1 }), tooLong('prompt'));
      if (has.includes('embeddings')) await t.rejects(client.embeddings.create({ model: alias, input: ['short', long] }), tooLong('input'));
      if (has.includes('responses')) await t.rejects(client.responses.create({ model: alias, input: [{ role: 'user', content: [{ type: 'input_text', text: long }] }] }), tooLong('input'));
    });

    await t.test('Node: breaking off a stream frees the place', async (t) => {
      const stream = await client.chat.completions.create({ ...chat, max_tokens: 16_000, temperature: 1, stream: true });
      for await (const _ of stream) break;
      const since = performance.now();
      t.equal((await client.chat.completions.create(chat)).choices[0]!.message.content, texts.chat);
      t.ok(performance.now() - since < 10_000, 'free long before 16000 tokens were made');
    });

    await t.test('Python', existsSync(python) ? {} : { skip: 'there is no .venv' }, async (t) => {
      const script = resolve(import.meta.dirname, '../support/python-client/sdk.py');
      const { stdout } = await promisify(execFile)(python, [script, models.lane.base, alias, has.join(',')], { timeout: 90_000 });
      const got = JSON.parse(stdout);
      t.match(got.models, { retrieved: alias, missing: { code: 'model_not_found' }, undeletable: { code: 'model_not_found' } });
      t.strictSame(got.models.ids.toSorted(), [alias, `shop:${first}`, `shop:${second}`].toSorted());
      t.match(got.chat, {
        model: alias, text: texts.chat, finish: 'length', streamed: texts.chat, helper: texts.chat!.slice(0, texts.chat!.indexOf(texts.chat![3]!)),
        usage: { completion_tokens: 8 }, streamed_usage: { total_tokens: Number },
        missing: { status: 404, code: 'model_not_found', param: 'model' },
        bad: { status: 400, param: 'temperature' },
        long: { status: 400, code: tooLongCode },
      });
      if (has.includes('completions')) t.match(got.completions, { model: alias, text: texts.completions, streamed: texts.completions, usage: { completion_tokens: 8 } });
      if (has.includes('embeddings')) {
        t.match(got.embeddings, { model: alias, indexes: [0, 1], dimensions: width, short: shortens ? 4 : { status: 400, param: 'dimensions' }, usage: { prompt_tokens: 5, total_tokens: 5 } });
        t.ok(got.embeddings.apart < 1e-6);
      }
      if (has.includes('responses')) t.match(got.responses, { model: alias, text: texts.responses, streamed: texts.responses, models: [alias], usage: 8 });
      else t.match(got.responses, { status: 501, code: 'unimplemented' });
    });

    await t.test('Node: models, and deleting one', async (t) => {
      const ids = async () => (await Array.fromAsync(client.models.list())).map((model) => model.id).toSorted();
      t.strictSame(await ids(), [alias, `shop:${first}`, `shop:${second}`].toSorted());
      t.match(await client.models.retrieve(alias), { id: alias, object: 'model', owned_by: 'ai-forge' });
      t.strictSame({ ...(await client.models.delete(`shop:${second}`)) }, { id: `shop:${second}`, object: 'model', deleted: true });
      await t.rejects(client.models.retrieve(`shop:${second}`), raised(NotFoundError));
      await t.rejects(client.chat.completions.create({ ...chat, model: `shop:${second}` }), raised(NotFoundError));
      t.strictSame(await ids(), [alias, `shop:${first}`].toSorted());
    });

    for (const endpoint of has.filter((one) => one !== 'embeddings')) {
      await t.test(`Node: a backend that dies in mid-stream is an error of the package (${endpoint}), and it comes back`, async (t) => {
        const long = { model: alias, temperature: 1, stream: true as const };
        const streams = {
          chat: () => client.chat.completions.create({ ...long, messages: chat.messages, max_tokens: 16_000 }),
          completions: () => client.completions.create({ ...long, prompt: 'def f', max_tokens: 16_000 }),
          responses: () => client.responses.create({ ...long, input: 'Hello!', max_output_tokens: 16_000 }),
        };
        const stream = await streams[endpoint as keyof typeof streams]();
        await t.rejects((async () => {
          let killed: Promise<void> | undefined;
          for await (const _ of stream as AsyncIterable<unknown>) killed ??= kill();
        })(), raised(APIError, { message: /stopped in the middle/ }));
        await start();
        t.equal((await client.chat.completions.create(chat)).choices[0]!.message.content, texts.chat);
      });
    }
  });
}

/** An error of the package: exactly that class. */
function raised(kind: Function, more: object = {}): { message: RegExp } {
  const wanted = { message: /./, constructor: kind, ...more };
  return wanted;
}

function apart(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));
}

suite('ollama', ollamaScene, needsOllama());
suite('embedded', embeddedScene);

t.test('what an upstream refuses is the exception that the package has for it', async (t) => {
  const answers: Readonly<Record<string, [number, object, Record<string, string>?]>> = {
    key: [401, { error: { message: 'Incorrect API key provided', type: 'invalid_request_error', param: null, code: 'invalid_api_key' } }],
    rights: [403, { error: { message: 'No access', type: 'permission_error', param: null, code: null } }],
    rate: [429, { error: { message: 'Slow down', type: 'rate_limit_error', param: null, code: 'rate_limit_exceeded' } }, { 'retry-after': '7' }],
    // As vLLM, and as llama.cpp's server say it.
    vllm: [400, { object: 'error', message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.", type: 'BadRequestError', param: null, code: 400 }],
    llama: [400, { error: { code: 400, message: 'the request exceeds the available context size, try increasing it', type: 'exceed_context_size_error' } }],
    fault: [500, { error: { message: 'CUDA error', type: 'server_error', param: null, code: null } }],
    unknown: [404, { error: { message: 'The model `unknown` does not exist', type: 'invalid_request_error', param: null, code: 'model_not_found' } }],
    nowhere: [404, { detail: 'Not Found' }],
  };
  const server = createServer(async (request, response) => {
    const { model } = JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString());
    const [status, body, headers] = answers[model]!;
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close().closeAllConnections());
  const backend = createUpstreamBackend(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const lane = await startLane(t, backend, Object.fromEntries(Object.keys(answers).map((name) => [name, name])));
  const client = new OpenAI({ baseURL: lane.base, apiKey: 'not-needed', maxRetries: 0 });
  const ask = (model: string) => client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hi' }] });
  // The key is this service's, not the caller's, who would take an AuthenticationError for a word on his own.
  await t.rejects(ask('key'), raised(InternalServerError, { status: 503, code: 'unavailable', message: /FORGE_INFERENCE_KEY/ }));
  await t.rejects(ask('rights'), raised(PermissionDeniedError));
  const limited = (await ask('rate').catch((error: unknown) => error)) as RateLimitError;
  t.match(limited, { constructor: RateLimitError, code: 'rate_limit_exceeded' });
  t.equal(limited.headers.get('retry-after'), '7');
  await t.rejects(ask('vllm'), raised(BadRequestError, { code: 'context_length_exceeded', param: 'messages', message: /4096 tokens/ }));
  await t.rejects(ask('llama'), raised(BadRequestError, { code: 'context_length_exceeded', param: 'messages' }));
  await t.rejects(ask('fault'), raised(InternalServerError, { message: /CUDA error/ }));
  await t.rejects(ask('unknown'), raised(NotFoundError, { code: 'model_not_found' }));
  await t.rejects(client.responses.create({ model: 'nowhere', input: 'Hi' }), raised(InternalServerError, { status: 501 }));
});
