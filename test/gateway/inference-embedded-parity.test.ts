// The engine's numbers against those that a real Ollama gives for the same model.
import { join } from 'node:path';
import t from 'tap';
import { createOllamaBackend } from '../../gateway/inference/ollama.ts';
import type { OpenAiEndpoint } from '../../gateway/inference/backend.ts';
import { readAll } from '../../gateway/inference/upstream-http.ts';
import { soon, startTestEngine } from '../support/embedded-engine.ts';
import { needsOllama, startOllama } from '../support/ollama.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(180_000);

t.test('the engine and Ollama', needsOllama(), async (t) => {
  const model = 'shop:job_1';
  const engine = startTestEngine(t, ['--context', '512', '--slots', '1']);
  const ollama = createOllamaBackend((await startOllama(t)).url);
  t.teardown(() => ollama.stop());
  const exported = await writeTinyExport(join(t.testdir(), 'export'));
  await Promise.all([engine.add(model), ollama.create(model, exported, soon())]);
  const both = async (endpoint: OpenAiEndpoint, body: object): Promise<[any, any]> => {
    const answer = await ollama.send(endpoint, Buffer.from(JSON.stringify({ model, ...body })), soon());
    return [await engine.ask(endpoint, { model, ...body }), JSON.parse(Buffer.from(await readAll(answer.body, 1e6, 'Ollama')).toString())];
  };
  const close = (a: number, b: number, far: number) => Math.abs(a - b) < far;

  await t.test('embed alike', async (t) => {
    const [ours, theirs] = await both('embeddings', { input: ['function a()', 'b'] });
    for (const i of [0, 1]) {
      const cosine = ours.data[i].embedding.reduce((sum: number, value: number, at: number) => sum + value * theirs.data[i].embedding[at], 0);
      // Ollama keeps its cache of keys and values in 16 bits too, and rounds elsewhere.
      t.ok(close(cosine, 1, 1e-3), `cosine ${cosine}`);
    }
    t.same(ours.usage, theirs.usage);
  });

  await t.test('find the same tokens likely', async (t) => {
    for (const content of ['Hi', 'Explain x < y.', 'Hello there']) {
      // One token: Ollama penalises repeated ones unasked, so that its texts go elsewhere.
      const answers = await both('chat/completions', { messages: [{ role: 'user', content }], max_tokens: 1, temperature: 0, logprobs: true, top_logprobs: 3 });
      const [ours, theirs] = answers.map((answer) => answer.choices[0].logprobs.content[0]);
      t.same(ours.top_logprobs.map((one: any) => one.token), theirs.top_logprobs.map((one: any) => one.token));
      t.ok([ours, ...ours.top_logprobs].every((one, i) => close(one.logprob, [theirs, ...theirs.top_logprobs][i].logprob, 0.02)), JSON.stringify([ours, theirs]));
    }
  });
});
