import { create } from '@bufbuild/protobuf';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { ChatRequestSchema, ChatStreamRequestSchema, CompleteRequestSchema, EmbedRequestSchema, ListModelsRequestSchema, QueryRequestSchema } from '../../core/gen/aiforge/v1/inference_pb.ts';
import { createEmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { createOllamaBackend } from '../../gateway/inference/ollama.ts';
import { createInferenceService } from '../../gateway/inference/service.ts';
import { serverSentData } from '../../gateway/inference/server-sent-data.ts';
import { createUpstreamBackend } from '../../gateway/inference/upstream.ts';
import { fixedDirectory } from '../support/chat-lane.ts';
import { needsOllama, startOllama } from '../support/ollama.ts';
import { chatmlText, tokenIds, writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(240_000);

/** Of one call, with a minute of its own. */
const context = () => ({ signal: AbortSignal.timeout(60_000), requestId: 'r', idempotencyKey: undefined, caller: 'anonymous' });
const messages = [{ role: 'user', content: 'What is this?' }];
const prompt = tokenIds(chatmlText(messages)).length;

t.test('with the embedded engine', { timeout: 200_000 }, async (t) => {
  const dir = t.testdir();
  const backend = createEmbeddedBackend({ modelsDir: join(dir, 'models'), threads: 1, logger: silentLogger });
  t.teardown(() => backend.stop());
  backend.start();
  await backend.create('shop:job_1', await writeTinyExport(join(dir, 'export')), context().signal);
  const service = createInferenceService({ backend: () => backend, models: fixedDirectory({ 'shop:latest': 'shop:job_1' }) });
  const chat = create(ChatRequestSchema, { model: 'shop:latest', messages, temperature: 0, maxTokens: 10 });
  let text = '';

  await t.test('models: the reference’s fields', async (t) => {
    const [stored] = await backend.models(context().signal);
    const listed = await service.listModels(create(ListModelsRequestSchema), context());
    t.equal(listed.activeModel, 'shop:latest');
    t.match(listed.models, [{ name: 'shop:latest', size: BigInt(stored!.size!), modifiedAt: { seconds: BigInt(Math.floor(stored!.modifiedAt.getTime() / 1000)) } }]);
  });

  await t.test('chat', async (t) => {
    const answer = await service.chat(chat, context());
    t.match(answer, { object: 'chat.completion', model: 'shop:latest', choices: [{ index: 0, message: { role: 'assistant' }, finishReason: 'length' }] });
    t.same(answer.usage, { promptTokens: BigInt(prompt), completionTokens: 10n, totalTokens: BigInt(prompt + 10) });
    text = answer.choices![0]!.message!.content!;
    t.equal(text.length, 10);
  });

  await t.test('query: the active model, tokens counted', async (t) => {
    const answer = await service.query(create(QueryRequestSchema, { prompt: messages[0]!.content, temperature: 0, maxTokens: 10 }), context());
    t.same(answer, { response: text, model: 'shop:latest', tokensUsed: BigInt(prompt + 10) });
  });

  await t.test('stream', async (t) => {
    const chunks = await Array.fromAsync(service.chatStream(create(ChatStreamRequestSchema, { chat }), context()));
    t.equal(chunks.map((chunk) => chunk.content ?? '').join(''), text);
    t.same(chunks.map((chunk) => chunk.finishReason).filter(Boolean), ['length']);
    t.equal(chunks.at(-1)?.usage?.totalTokens, BigInt(prompt + 10));
  });

  await t.test('a stream that is left stops the generation', async (t) => {
    const long = create(ChatStreamRequestSchema, { chat: { model: chat.model, messages, temperature: 1, maxTokens: 4000 } });
    for await (const chunk of service.chatStream(long, context())) if (chunk.content) break;
    const gone = new AbortController();
    await t.rejects((async () => {
      for await (const chunk of service.chatStream(long, { ...context(), signal: gone.signal })) if (chunk.content) gone.abort();
    })(), { code: 'cancelled' });
  });

  await t.test('errors name the field', async (t) => {
    await t.rejects(service.query(create(QueryRequestSchema, { prompt: '' }), context()), { code: 'invalid_argument', field: 'prompt' });
    await t.rejects(service.query(create(QueryRequestSchema, { prompt: 'x', temperature: 5 }), context()), { code: 'invalid_argument', field: 'temperature' });
    await t.rejects(service.query(create(QueryRequestSchema, { prompt: 'x', model: 'nobody' }), context()), { code: 'not_found', field: 'model' });
    await t.rejects(service.chat(create(ChatRequestSchema, {}), context()), { code: 'invalid_argument', field: 'messages' });
    await t.rejects(service.chat(create(ChatRequestSchema, { model: chat.model, messages: [{ role: 'user', content: 'x'.repeat(5000) }] }), context()), { code: 'context_length_exceeded', message: /send less/ });
    await t.rejects(Array.fromAsync(service.chatStream(create(ChatStreamRequestSchema, {}), context())), { code: 'invalid_argument', field: 'chat' });
  });
});

t.test('with Ollama: complete and embed', { ...needsOllama(), timeout: 120_000 }, async (t) => {
  const ollama = await startOllama(t);
  const backend = createOllamaBackend(ollama.url);
  t.teardown(() => backend.stop());
  await backend.create('shop:job_1', await writeTinyExport(join(t.testdir(), 'export')), context().signal);
  const service = createInferenceService({ backend: () => backend, models: fixedDirectory({ 'shop:latest': 'shop:job_1' }) });

  const completion = { prompt: 'def f', temperature: 0, maxTokens: 8, seed: 7n };
  const answer = await service.complete(create(CompleteRequestSchema, completion), context());
  t.match(answer, { id: /^cmpl-/, model: 'shop:latest', choices: [{ index: 0, text: String, finishReason: 'length' }] });
  t.equal(answer.choices![0]!.text!.length, 8);
  t.equal(answer.usage!.completionTokens, 8n);
  const stop = answer.choices![0]!.text![3]!;
  t.match(await service.complete(create(CompleteRequestSchema, { ...completion, stop: [stop] }), context()), { choices: [{ finishReason: 'stop' }] });

  const embedded = await service.embed(create(EmbedRequestSchema, { model: 'shop:latest', input: ['def f', 'def g'] }), context());
  t.same(embedded.embeddings!.map(({ index, values }) => [index, values!.length]), [[0, 64], [1, 64]]);
  t.match(embedded, { model: 'shop:latest', usage: { promptTokens: 10n, completionTokens: 0n, totalTokens: 10n } });
  const few = await service.embed(create(EmbedRequestSchema, { input: ['def f'], dimensions: 4 }), context());
  t.equal(few.embeddings![0]!.values!.length, 4);

  const refused = (error: object) => ({ code: 'invalid_argument', ...error }) as never;
  await t.rejects(service.complete(create(CompleteRequestSchema, { prompt: 'x', maxTokens: 0 }), context()), refused({ field: 'max_tokens' }));
  await t.rejects(service.complete(create(CompleteRequestSchema, { prompt: 'x', suffix: 'y' }), context()), refused({ message: /does not support insert/ }));
  await t.rejects(service.complete(create(CompleteRequestSchema, { prompt: 'x'.repeat(9000) }), context()), refused({ code: 'context_length_exceeded', field: 'prompt' }));
  await t.rejects(service.embed(create(EmbedRequestSchema, {}), context()), refused({ field: 'input' }));
  await t.rejects(service.embed(create(EmbedRequestSchema, { input: ['x'], dimensions: 65 }), context()), refused({ field: 'dimensions' }));
  await t.rejects(service.embed(create(EmbedRequestSchema, { input: ['x'], model: 'nobody' }), context()), refused({ code: 'not_found' }));
});

t.test('an answer without counted tokens is not passed off as one with 0', async (t) => {
  const server = createServer((_request, response) => response.setHeader('content-type', 'application/json').end('{"choices":[{"index":0,"message":{"role":"assistant","content":"x"}}]}')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close().closeAllConnections());
  const backend = createUpstreamBackend(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.teardown(() => backend.stop());
  const service = createInferenceService({ backend: () => backend, models: fixedDirectory({ 'm:latest': 'm' }) });
  await t.rejects(service.query(create(QueryRequestSchema, { prompt: 'x' }), context()), { code: 'unavailable' });
});

t.test('server-sent events, cut anywhere', async (t) => {
  const text = ': note\r\n\r\ndata: {"a":1}\r\n\r\ndata:é\ndata: b\n\nevent: x\ndata: [DONE]\n\n';
  const bytes = Buffer.from(text);
  for (let size = 1; size <= 9; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
    t.same(await Array.fromAsync(serverSentData((async function* () { yield* chunks; })())), ['{"a":1}', 'é\nb', '[DONE]'], `${size} bytes at a time`);
  }
});
