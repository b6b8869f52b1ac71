// What Ollama makes of our templates: the real Ollama renders, and counts tokens.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { createChatTemplate } from '../../gateway/inference/chat-template.ts';
import { createOllamaBackend } from '../../gateway/inference/ollama.ts';
import { readAll } from '../../gateway/inference/upstream-http.ts';
import { startLane } from '../support/chat-lane.ts';
import { gemma, llama3, llama32, mistral, qwen } from '../support/chat-templates.ts';
import { needsOllama, startOllama } from '../support/ollama.ts';
import { chatml, chatmlText, tokenIds, writeTinyExport, type TinyOptions } from '../support/tiny-model.ts';

t.setTimeout(240_000);

t.test('Ollama', { ...needsOllama(), timeout: 200_000 }, async (t) => {
  const ollama = await startOllama(t);
  const backend = createOllamaBackend(ollama.url);
  t.teardown(() => backend.stop());
  /** For one call. */
  const soon = (): AbortSignal => AbortSignal.timeout(60_000);
  const dir = t.testdir();

  const api = async (path: string, body: unknown) => (await fetch(`${ollama.url}${path}`, { method: 'POST', body: JSON.stringify(body) })).json() as Promise<any>;
  const exportWith = (name: string, chatTemplate: string, more: TinyOptions = {}) => {
    const template = createChatTemplate(chatTemplate, { bos: '<s>', eos: '<|im_end|>' });
    return writeTinyExport(join(dir, name), { chatTemplate, rendered: (messages) => template.render(messages, true), seed: 3, ...more });
  };

  await t.test('templates of other families give the trainer’s prompts', async (t) => {
    for (const [name, chatTemplate] of Object.entries({ llama3, llama32, qwen, mistral })) {
      const exported = await exportWith(name, chatTemplate);
      await t.resolves(backend.create(`${name}:job_1`, exported, soon()), name);
    }
  });

  await t.test('a template without a system role: refused as the model’s own does', async (t) => {
    const exported = await exportWith('gemma', gemma, { rendered: (messages) => createChatTemplate(gemma, { bos: '<s>', eos: '' }).render(messages.filter(({ role }) => role !== 'system'), true) });
    const record = JSON.parse(await readFile(join(exported.dir, 'export.json'), 'utf8'));
    for (const rendering of record.renderings) rendering.messages = rendering.messages.filter((message: { role: string }) => message.role !== 'system');
    await writeFile(join(exported.dir, 'export.json'), JSON.stringify(record));
    await backend.create('gemma:job_1', exported, soon());
    const answer = await api('/api/chat', { model: 'gemma:job_1', stream: false, messages: [{ role: 'system', content: 'S' }, { role: 'user', content: 'U' }] });
    t.match(answer.error, /allows no system message here/);
    const lane = await startLane(t, { ...backend, stop: async () => undefined }, { 'gemma:latest': 'gemma:job_1' });
    for (const [role, said] of [['system', /^messages: the chat template of this model allows no system message here$/], ['tool', /^messages: the chat template of this model does not know this role$/]] as const) {
      const refused = await lane.post({ model: 'gemma:latest', messages: [{ role, content: 'S' }, { role: 'user', content: 'U' }] });
      t.match([refused.status, await refused.json()], [400, { error: { message: said, type: 'invalid_request_error', param: 'messages' } }], role);
    }
  });

  await t.test('the model has the stop marks and is the same when created again', async (t) => {
    const exported = await exportWith('again', chatml);
    const first = await backend.create('again:job_1', exported, soon());
    t.same(await backend.create('again:job_1', exported, soon()), first);
    const shown = await api('/api/show', { model: 'again:job_1' });
    t.match(shown.parameters, /stop\s+"<\|im_end\|>"/);
    t.equal((await backend.models(soon())).find((model) => model.name === 'again:job_1')?.digest, first.digest);
  });

  await t.test('a prompt that differs is refused, and the model is not left there', async (t) => {
    const exported = await writeTinyExport(join(dir, 'differs'), { rendered: (messages) => `<|im_start|>${messages.map((m) => m.content).join('|')}` });
    await t.rejects(backend.create('differs:job_1', exported, soon()), { code: 'wrong_state', message: /differs from the one the model was trained with, in conversation 1 \(user\): at character 12/ });
    t.notOk((await backend.models(soon())).some((model) => model.name === 'differs:job_1'));
  });

  await t.test('a BOS that the trainer did not have is noticed by the number of tokens', async (t) => {
    const exported = await exportWith('bos', chatml, { addBos: true });
    await t.rejects(backend.create('bos:job_1', exported, soon()), { code: 'wrong_state', message: /texts are equal, but the trainer makes (\d+) tokens of them and the backend \d+/ });
  });

  await t.test('a BOS that Ollama adds is not written twice', async (t) => {
    const exported = await exportWith('onebos', llama3, { addBos: true });
    await t.resolves(backend.create('onebos:job_1', exported, soon()));
  });

  await t.test('an answer that Ollama breaks off because it repeats itself is not passed off as an ordinary one', async (t) => {
    await backend.create('stuck:job_1', await exportWith('stuck', chatml, { stuck: true }), soon());
    const ask = async (stream: boolean) => {
      const answer = await backend.send('chat/completions', Buffer.from(JSON.stringify({ model: 'stuck:job_1', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 100, temperature: 0, stream })), soon());
      return Buffer.from(await readAll(answer.body, 1e6, 'Ollama')).toString();
    };
    await t.rejects(ask(false), { code: 'unavailable', message: /broke off the answer because it repeated itself/ });
    const events = (await ask(true)).trim().split('\n\n');
    t.equal(events.at(-1), 'data: [DONE]');
    t.match(JSON.parse(events.at(-2)!.slice('data: '.length)), { object: 'chat.completion.chunk', model: 'stuck:job_1', choices: [{ index: 0, finish_reason: 'length' }] });
    const text = events.slice(0, -2).map((event) => JSON.parse(event.slice('data: '.length)).choices[0].delta.content).join('');
    t.match(text, /(.)\1{20,}$/, 'all that came before');
  });

  await t.test('a completion that repeats itself', async (t) => {
    const ask = async (stream: boolean) => {
      const answer = await backend.send('completions', Buffer.from(JSON.stringify({ model: 'stuck:job_1', prompt: 'Hi', max_tokens: 100, temperature: 0, stream })), soon());
      return Buffer.from(await readAll(answer.body, 1e6, 'Ollama')).toString();
    };
    await t.rejects(ask(false), { code: 'unavailable', message: /broke off the answer because it repeated itself/ });
    const events = (await ask(true)).trim().split('\n\n');
    t.equal(events.at(-1), 'data: [DONE]');
    t.match(JSON.parse(events.at(-2)!.slice('data: '.length)), { object: 'text_completion', model: 'stuck:job_1', choices: [{ index: 0, text: '', finish_reason: 'length' }] });
  });

  await t.test('the process that runs the model dies in mid-stream: an error event, and the next request is served', async (t) => {
    await backend.create('dies:job_1', await exportWith('dies', chatml), soon());
    const lane = await startLane(t, createOllamaBackend(ollama.url), { 'dies:latest': 'dies:job_1' });
    const messages = [{ role: 'user', content: 'Hi' }];
    for (const [endpoint, request] of Object.entries({ 'chat/completions': { messages }, completions: { prompt: 'Hi' }, responses: { input: 'Hi' } })) {
      const response = await fetch(`${lane.base}/${endpoint}`, { method: 'POST', body: JSON.stringify({ model: 'dies:latest', ...request, stream: true }), signal: soon() });
      let text = '';
      for await (const chunk of response.body!) {
        if (text === '') ollama.killRunners();
        text += Buffer.from(chunk).toString();
      }
      const last = text.trim().split('\n').at(-1)!;
      t.match(JSON.parse(last.slice('data: '.length)), { error: { type: 'server_error', message: /stopped in the middle/ }, detail: String }, endpoint);
      t.equal((await lane.post({ model: 'dies:latest', messages, max_tokens: 2 }, soon())).status, 200);
    }
  });

  await t.test('a prompt that does not fit is refused, and one that just fits is not cut', async (t) => {
    await backend.create('small:job_1', await exportWith('small', chatml, { contextLength: 256 }), soon());
    const lane = await startLane(t, createOllamaBackend(ollama.url), { 'small:latest': 'small:job_1' });
    const ask = async (content: unknown, more: object = {}) => {
      const response = await lane.post({ model: 'small:latest', messages: [{ role: 'user', content }], max_tokens: 1, ...more }, soon());
      return { status: response.status, body: (await response.json()) as any };
    };
    const frame = tokenIds(chatmlText([{ role: 'user', content: '' }])).length;
    const fits = await ask('x'.repeat(256 - frame));
    t.match(fits, { status: 200, body: { usage: { prompt_tokens: 256 } } });
    const refused = { status: 400, body: { error: { code: 'context_length_exceeded', type: 'invalid_request_error', param: 'messages', message: /does not fit into the model's context of 256 tokens; send less/ } } };
    t.match(await ask('x'.repeat(257 - frame)), refused);
    t.match(await ask([{ type: 'text', text: 'x'.repeat(150) }, { type: 'text', text: 'y'.repeat(150) }]), refused, 'in parts');
    t.match(await ask('x'.repeat(300), { stream: true }), refused, 'before a stream begins');
    t.match(await ask('Hi', { messages: [{ role: 'user', content: 'x'.repeat(200) }, { role: 'assistant', content: 'y'.repeat(200) }, { role: 'user', content: 'z' }] }), refused, 'no earlier message is left out');
    const other = async (path: string, request: object) => (await fetch(`${lane.base}/${path}`, { method: 'POST', body: JSON.stringify({ model: 'small:latest', ...request }) })).status;
    t.equal(await other('responses', { input: 'x'.repeat(300) }), 400);
    t.equal(await other('responses', { input: 'x'.repeat(300), truncation: 'auto', max_output_tokens: 1 }), 200, 'this asks for the cut');
  });

  await t.test('a request that asks for nothing sensible is refused by Ollama itself', async (t) => {
    const odd = 'x'.repeat(300);
    for (const [endpoint, request] of [['responses', { input: [null, 7, { content: [null] }], odd }], ['chat/completions', { messages: [{ role: 'user', content: '', tool_calls: 7 }], odd }]] as const) {
      const answer = await backend.send(endpoint, Buffer.from(JSON.stringify({ model: 'dies:job_1', ...request })), soon());
      t.equal(answer.status, 400, endpoint);
      for await (const _ of answer.body);
    }
  });

  await t.test('removes, also what is not there', async (t) => {
    await backend.remove('again:job_1');
    await backend.remove('again:job_1');
    t.notOk((await backend.models(soon())).some((model) => model.name === 'again:job_1'));
  });

  await t.test('a file that is not what its digest says is refused', async (t) => {
    const exported = await exportWith('altered', chatml, { seed: 9 });
    await t.rejects(backend.create('altered:job_1', { ...exported, ggufDigest: 'a'.repeat(64) }, soon()), { code: 'wrong_state', message: /did not take the model's file/ });
  });
});

t.test('a test that is killed leaves no Ollama', { ...needsOllama(), timeout: 120_000 }, async (t) => {
  const program = `
    const { startOllama } = await import(${JSON.stringify(resolve(import.meta.dirname, '../support/ollama.ts'))});
    const ollama = await startOllama({ teardown: () => {} });
    console.log(ollama.url);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => { parent.kill('SIGKILL'); });
  const [url] = await once(createInterface({ input: parent.stdout }), 'line') as [string];
  const answers = (): Promise<boolean> => fetch(url, { signal: AbortSignal.timeout(10_000) }).then((response) => response.ok, () => false);
  t.equal(await answers(), true);
  parent.kill('SIGKILL');
  const end = performance.now() + 30_000;
  while (await answers()) {
    if (performance.now() > end) throw new Error(`Ollama on ${url} still answers`);
    await setTimeout(50);
  }
});
