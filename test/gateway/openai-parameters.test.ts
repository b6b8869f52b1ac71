// What is refused, and why: each row of the table is tried on a real Ollama.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { createOllamaBackend } from '../../gateway/inference/ollama.ts';
import type { Unsupported } from '../../gateway/inference/refused-parameter.ts';
import { unsupported } from '../../gateway/openai/unsupported.ts';
import { startLane } from '../support/chat-lane.ts';
import { needsOllama, startOllama } from '../support/ollama.ts';
import { parametersFile, withTables } from '../support/parameter-tables.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(240_000);

const tool = { type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } };
/** A value that is refused, by parameter. Of `tool_choice` one that would take the tools out of the prompt. */
const samples: Readonly<Record<string, unknown>> = {
  n: 2,
  best_of: 2,
  echo: true,
  max_tokens: 0,
  logit_bias: { 300: 100 },
  tool_choice: 'none',
  parallel_tool_calls: false,
  functions: [{ name: 'look', parameters: { type: 'object', properties: {} } }],
  function_call: 'none',
  modalities: ['text', 'audio'],
  audio: { voice: 'alloy', format: 'wav' },
  prediction: { type: 'content', content: '}}xC' },
  verbosity: 'low',
  web_search_options: {},
  store: true,
  service_tier: 'flex',
  prompt: ['def f', 'def g'],
  input: [300, 301],
  background: true,
  conversation: 'conv_1',
  previous_response_id: 'resp_1',
  reasoning: { effort: 'high' },
  max_tool_calls: 1,
  top_logprobs: 2,
};
const sampleOf = ({ endpoint, parameter }: Unsupported): unknown => {
  if (endpoint === 'completions' && parameter === 'logprobs') return 2;
  return endpoint === 'responses' && parameter === 'prompt' ? { id: 'pmpt_1' } : samples[parameter];
};

t.test('the page tells what the table says', async (t) => {
  const page = await readFile(parametersFile, 'utf8');
  t.equal(page, withTables(page), 'node test/support/parameter-tables.ts writes it');
  t.match(page, '| `chat/completions` | `n` | other than 1 |');
});

t.test('Ollama', { ...needsOllama(), timeout: 120_000 }, async (t) => {
  const ollama = await startOllama(t);
  const backend = createOllamaBackend(ollama.url);
  await backend.create('shop:job_1', await writeTinyExport(join(t.testdir(), 'export')), AbortSignal.timeout(60_000));
  const direct = async (path: string, body: unknown) => {
    const response = await fetch(`${ollama.url}${path}`, { method: 'POST', body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as any };
  };
  // A model that is told of tools.
  await direct('/api/create', { model: 'tools:1', from: 'shop:job_1', stream: false, template: '{{ range .Tools }}{{ .Function.Name }}{{ end }}{{ range .Messages }}{{ .Content }}{{ range .ToolCalls }}{{ .Function.Name }}{{ end }}{{ end }}' });
  await direct('/api/create', { model: 'fim:1', from: 'shop:job_1', stream: false, template: '{{ .Prompt }}|{{ .Suffix }}|' });
  const lane = await startLane(t, backend, { 'tools:1': 'tools:1', 'fim:1': 'fim:1', 'shop:latest': 'shop:job_1' });
  const post = async (endpoint: string, body: object) => {
    const response = await fetch(`${lane.base}/${endpoint}`, { method: 'POST', body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as any };
  };
  const messages = [{ role: 'user', content: 'Hello!' }];
  const requests: Readonly<Record<string, object>> = {
    'chat/completions': { model: 'tools:1', messages, tools: [tool], max_tokens: 8, temperature: 0 },
    completions: { model: 'tools:1', prompt: 'def f', max_tokens: 8, temperature: 0 },
    embeddings: { model: 'tools:1', input: 'def f' },
    responses: { model: 'tools:1', input: 'Hello!', tools: [{ type: 'function', name: 'look', parameters: { type: 'object', properties: {} } }], max_output_tokens: 8, temperature: 0 },
  };
  /** What was generated and counted; some of the request is only told back. */
  const essence = ({ body: { choices, data, output, usage } }: { body: any }): unknown => ({ choices, data, usage, output: output?.map(({ id: _new, ...item }: any) => item) });

  for (const row of unsupported.ollama) {
    await t.test(`${row.endpoint}: ${row.parameter} ${row.refused.words}`, async (t) => {
      const request = requests[row.endpoint]!;
      const asked = { ...request, [row.parameter]: sampleOf(row) };
      const refused = await post(row.endpoint, asked);
      t.match(refused, { status: 400, body: { error: { type: 'invalid_request_error', param: row.parameter, message: new RegExp(`^${row.parameter}: Ollama does not support`) } } });
      const tried = await direct(`/v1/${row.endpoint}`, asked);
      // Ollama itself refuses some, in words that say nothing to a client; max_tokens 0 it takes for no limit.
      if (tried.status !== 200) t.match(tried, { status: 400 });
      else if (row.parameter === 'max_tokens') t.ok(tried.body.choices[0].text.length > 8);
      else t.same(essence(tried), essence(await direct(`/v1/${row.endpoint}`, request)), 'it changes nothing');
    });
  }

  await t.test('null, what is done anyway, labels, and what nobody knows pass', async (t) => {
    const more = { n: 1, logit_bias: {}, tool_choice: 'auto', parallel_tool_calls: true, store: false, service_tier: 'auto', audio: null, user: 'u', metadata: { a: 'b' }, x_new: { deep: [1] } };
    const answer = await post('chat/completions', { ...requests['chat/completions'], ...more });
    t.equal(answer.status, 200);
    t.same(answer.body.choices, (await post('chat/completions', requests['chat/completions']!)).body.choices);
  });

  await t.test('what Ollama calls otherwise is done', async (t) => {
    const chat = { model: 'shop:latest', messages, temperature: 0 };
    t.match((await post('chat/completions', { ...chat, max_completion_tokens: 3 })).body, { usage: { completion_tokens: 3 }, choices: [{ finish_reason: 'length' }] });
    const said = async (role: string) => (await post('chat/completions', { ...chat, max_tokens: 6, messages: [{ role, content: 'Be brief.' }, ...messages] })).body.choices[0].message.content;
    t.equal(await said('developer'), await said('system'));
    const completion = { model: 'shop:latest', max_tokens: 6, temperature: 0 };
    t.same((await post('completions', { ...completion, prompt: ['def f'] })).body.choices, (await post('completions', { ...completion, prompt: 'def f' })).body.choices);
  });

  await t.test('what is honoured: logprobs, stop, seed, penalties, a JSON schema', async (t) => {
    const chat = { model: 'shop:latest', messages, max_tokens: 12, temperature: 0 };
    const plain = (await post('chat/completions', chat)).body.choices[0].message.content as string;
    t.match((await post('chat/completions', { ...chat, logprobs: true, top_logprobs: 2 })).body.choices[0].logprobs.content[0], { token: plain[0], logprob: Number, top_logprobs: [{}, {}] });
    t.match((await post('chat/completions', { ...chat, stop: plain[3] })).body.choices[0], { message: { content: plain.slice(0, plain.indexOf(plain[3]!)) }, finish_reason: 'stop' });
    t.not((await post('chat/completions', { ...chat, frequency_penalty: 2 })).body.choices[0].message.content, plain);
    const seeded = async (seed: number) => (await post('chat/completions', { ...chat, temperature: 1, seed })).body.choices[0].message.content;
    t.equal(await seeded(1), await seeded(1));
    t.not(await seeded(1), await seeded(2));
    const schema = { type: 'object', properties: { a: { type: 'boolean' } }, required: ['a'], additionalProperties: false };
    const object = await post('chat/completions', { ...chat, max_tokens: 200, response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });
    t.match(JSON.parse(object.body.choices[0].message.content), { a: Boolean });
  });

  await t.test('suffix: fills in where the model’s template has a place for it', async (t) => {
    const completion = { model: 'fim:1', prompt: 'def f', max_tokens: 6, temperature: 0 };
    const filled = await post('completions', { ...completion, suffix: 'return 1' });
    t.match(filled, { status: 200, body: { object: 'text_completion', model: 'fim:1', usage: { prompt_tokens: 'def f|return 1|'.length } } });
    t.match(await post('completions', { ...completion, model: 'shop:latest', suffix: 'return 1' }), { status: 400, body: { error: { message: /shop:latest does not support insert/ } } });
  });
});
