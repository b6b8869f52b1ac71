// The official OpenAI packages, Node and Python, against the lane with the embedded engine behind it.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import OpenAI from 'openai';
import t from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { createEmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { startLane } from '../support/chat-lane.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(240_000);

const alias = 'shop:latest';
const request = { model: alias, messages: [{ role: 'user' as const, content: 'Hello!' }], max_tokens: 8, temperature: 0 };
const python = resolve(import.meta.dirname, '../../.venv/bin/python');

t.test('the official packages', { timeout: 200_000 }, async (t) => {
  const dir = t.testdir();
  const backend = createEmbeddedBackend({ modelsDir: join(dir, 'models'), threads: 1, logger: silentLogger, limits: ['--context', '16384', '--slots', '1'] });
  backend.start();
  await backend.create('shop:job_1', await writeTinyExport(join(dir, 'export')), AbortSignal.timeout(60_000));
  const lane = await startLane(t, backend, { [alias]: 'shop:job_1' });
  const client = new OpenAI({ baseURL: lane.base, apiKey: 'not-needed', maxRetries: 0, timeout: 60_000 });
  let text: string | null = null;

  await t.test('Node: whole', async (t) => {
    const answer = await client.chat.completions.create(request);
    t.match(answer, { object: 'chat.completion', model: alias, choices: [{ finish_reason: 'length', message: { role: 'assistant' } }], usage: { completion_tokens: 8 } });
    text = answer.choices[0]!.message.content;
    t.equal(text?.length, 8);
  });

  await t.test('Node: streamed, and models', async (t) => {
    const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
    t.equal(await stream.finalContent(), text);
    t.equal((await stream.totalUsage()).completion_tokens, 8);
    t.same((await Array.fromAsync(client.models.list())).map((model) => model.id), [alias]);
    t.equal((await client.models.retrieve(alias)).id, alias);
  });

  await t.test('Node: errors are its own classes', async (t) => {
    await t.rejects(client.chat.completions.create({ ...request, model: 'nobody' }), { status: 404, code: 'model_not_found', param: 'model' });
    await t.rejects(client.chat.completions.create({ ...request, temperature: 9 }), { status: 400, param: 'temperature', code: 'invalid_argument' });
  });

  await t.test('Node: breaking off a stream frees the place', async (t) => {
    const stream = await client.chat.completions.create({ ...request, max_tokens: 16_000, temperature: 1, stream: true });
    for await (const _ of stream) break;
    const since = performance.now();
    t.equal((await client.chat.completions.create(request)).choices[0]!.message.content, text);
    t.ok(performance.now() - since < 10_000, 'there is one place only, and it was free long before 16000 tokens were made');
  });

  await t.test('Python: whole and streamed', existsSync(python) ? {} : { skip: 'there is no .venv' }, async (t) => {
    const script = resolve(import.meta.dirname, '../support/python-client/chat.py');
    const { stdout } = await promisify(execFile)(python, [script, lane.base, alias], { timeout: 90_000 });
    t.match(JSON.parse(stdout), {
      models: [alias], model: alias, text, finish: 'length', streamed: text,
      usage: { completion_tokens: 8 }, streamed_usage: { total_tokens: Number },
      missing: { code: 'model_not_found', param: 'model', message: /"nobody" not found/ },
    });
  });

  await t.test('Node: a backend that dies in mid-stream is an error of the package', async (t) => {
    const stream = await client.chat.completions.create({ ...request, max_tokens: 16_000, temperature: 1, stream: true });
    await t.rejects((async () => {
      const { pid } = backend;
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content) process.kill(pid!, 'SIGKILL');
    })(), /stopped in the middle/);
  });
});
