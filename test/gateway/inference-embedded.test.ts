import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { createEmbeddedBackend, type EmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { ggufPath, listStored, modelDir, placeModel, removeStored } from '../../gateway/inference/embedded/model-store.ts';
import { loadLibrary } from '../../gateway/inference/embedded/library.ts';
import { TokenText } from '../../gateway/inference/embedded/token-text.ts';
import { Slots } from '../../gateway/inference/embedded/slots.ts';
import { readAll } from '../../gateway/inference/upstream-http.ts';
import { chatmlText, tokenIds, writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(240_000);

/** For one call: a machine that runs other tests too is slow, and what hangs must end some time. */
const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const messages = [{ role: 'user', content: 'Hi' }];
const model = 'shop:job_1';

async function startEngine(t: Test, limits: string[] = []): Promise<{ backend: EmbeddedBackend; modelsDir: string; dir: string }> {
  const dir = t.testdir();
  const modelsDir = join(dir, 'models');
  const backend = createEmbeddedBackend({ modelsDir, threads: 1, logger: silentLogger, limits });
  t.teardown(() => backend.stop());
  backend.start();
  return { backend, modelsDir, dir };
}

async function ask(backend: EmbeddedBackend, body: object): Promise<any> {
  const answer = await backend.send('chat/completions', Buffer.from(JSON.stringify({ model, messages, max_tokens: 16, temperature: 0, ...body })), soon());
  return { status: answer.status, ...JSON.parse(Buffer.from(await readAll(answer.body, 1e6, 'engine')).toString()) };
}
const textOf = (answer: any): string => answer.choices[0].message.content;

t.test('generation', { timeout: 150_000 }, async (t) => {
  const { backend, dir } = await startEngine(t, ['--context', '512', '--slots', '2']);
  await backend.create(model, await writeTinyExport(join(dir, 'export'), { contextLength: 512 }), soon());
  const greedy = textOf(await ask(backend, {}));

  await t.test('a seed gives the same text, another seed another', async (t) => {
    const [a, b, c] = [await ask(backend, { temperature: 1, seed: 1 }), await ask(backend, { temperature: 1, seed: 1 }), await ask(backend, { temperature: 1, seed: 2 })];
    t.equal(textOf(a), textOf(b));
    t.not(textOf(a), textOf(c));
    t.equal(textOf(await ask(backend, {})), greedy, 'temperature 0 is greedy, whatever ran before');
  });

  await t.test('stop texts end the answer and are not in it', async (t) => {
    const stop = greedy.slice(5, 8);
    const answer = await ask(backend, { stop: ['never', stop] });
    t.equal(textOf(answer), greedy.slice(0, greedy.indexOf(stop)));
    t.equal(answer.choices[0].finish_reason, 'stop');
    t.match(answer.usage, { completion_tokens: greedy.indexOf(stop) + stop.length });
  });

  await t.test('the answer ends where the context does', async (t) => {
    const answer = await ask(backend, { max_tokens: 100_000 });
    t.match(answer, { choices: [{ finish_reason: 'length' }], usage: { total_tokens: 512 } });
  });

  await t.test('a prompt that does not fit is refused with its size', async (t) => {
    const content = 'x'.repeat(600);
    const count = tokenIds(chatmlText([{ role: 'user', content }])).length;
    t.match(await ask(backend, { messages: [{ role: 'user', content }] }), { status: 400, error: { param: 'messages', code: 'context_length_exceeded' }, detail: `messages: makes ${count} tokens, and the context holds 512, so 511 at most; send less` });
  });

  await t.test('what it can’t do is refused, not left out', async (t) => {
    for (const [field, value] of Object.entries({ tools: [{}], functions: [{}], audio: {}, store: true, n: 129 })) {
      t.match(await ask(backend, { [field]: value }), { status: 400, error: { param: field } });
    }
    t.match(await ask(backend, { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }), { status: 400, detail: /reads text parts only/ });
    t.equal(textOf(await ask(backend, { messages: [{ role: 'user', content: [{ type: 'text', text: 'H' }, { type: 'text', text: 'i' }] }] })), greedy, 'text parts are joined');
  });

  await t.test('more requests than places: all get the same answer as alone', async (t) => {
    const answers = await Promise.all([0, 1, 2, 3, 4, 5].map(() => ask(backend, {})));
    t.same(new Set(answers.map(textOf)), new Set([greedy]));
  });
});

t.test('places are lent first come, first served', async (t) => {
  const slots = new Slots(['a', 'b'], 3);
  const never = new AbortController().signal;
  t.same([await slots.take(never), await slots.take(never)].sort(), ['a', 'b']);
  const order: number[] = [];
  const leaves = new AbortController();
  const first = slots.take(never).then((item) => order.push(1) && item);
  const second = slots.take(leaves.signal);
  const third = slots.take(never).then((item) => order.push(3) && item);
  await t.rejects(slots.take(never), { code: 'rate_limited', message: /3 requests wait already/ });
  leaves.abort();
  await t.rejects(second, { code: 'cancelled' });
  slots.giveBack('a');
  slots.giveBack('b');
  t.same([await first, await third], ['a', 'b'], 'who left is passed over');
  t.same(order, [1, 3]);
  await t.rejects(slots.take(AbortSignal.abort()), { code: 'cancelled' });
});

t.test('text comes in whole characters', { timeout: 90_000 }, async (t) => {
  const exported = await writeTinyExport(join(t.testdir(), 'export'));
  const llama = await loadLibrary(1, silentLogger);
  t.teardown(() => llama.dispose());
  const loaded = await llama.loadModel({ modelPath: join(exported.dir, 'model.gguf'), vocabOnly: true });
  const prompt = loaded.tokenize('x', true);
  const text = new TokenText(loaded, prompt);
  const pieces = loaded.tokenize(' aé🙂', true).map((token) => text.push(token));
  t.same(pieces, [' ', 'a', '', 'é', '', '', '', '🙂']);
  const broken = new TokenText(loaded, prompt);
  const [lead] = loaded.tokenize('é', true);
  t.equal(broken.push(lead!) + broken.end(), '\ufffd', 'what never becomes whole is not lost');
});

t.test('prompts must be the trainer’s', { timeout: 120_000 }, async (t) => {
  const { backend, dir } = await startEngine(t);
  const differs = await writeTinyExport(join(dir, 'differs'), { rendered: (m) => chatmlText(m).replace('user', 'User') });
  await t.rejects(backend.create(model, differs, soon()), { code: 'wrong_state', message: /at character 12 the trainer has .*User.*, the backend .*user/ });
  t.same(await backend.models(soon()), [], 'it is not left there');
  await mkdir(join(dir, 'none'));
  await t.rejects(backend.create(model, { dir: join(dir, 'none'), ggufDigest: 'x' }, soon()), { code: 'wrong_state', message: /no readable export.json/ });
  await writeFile(join(dir, 'none', 'export.json'), '{"chat_template":"x"}');
  await t.rejects(backend.create(model, { dir: join(dir, 'none'), ggufDigest: 'x' }, soon()), { message: /lacks .*stop_tokens, context_length, renderings/ });
});

t.test('models in memory', { timeout: 120_000 }, async (t) => {
  const { backend, dir } = await startEngine(t, ['--loaded-models', '2', '--slots', '1', '--context', '256']);
  const names = ['a:1', 'b:1', 'c:1'];
  const loaded = async (name: string) => {
    const url = await backend.url(soon());
    return ((await (await fetch(`${url}/engine/load`, { method: 'POST', body: JSON.stringify({ model: name }) })).json()) as { loaded: string[] }).loaded;
  };
  for (const [seed, name] of names.entries()) await backend.create(name, await writeTinyExport(join(dir, name), { seed }), soon());
  await loaded('b:1');
  t.same((await loaded('a:1')).sort(), ['a:1', 'b:1'], 'the least recently used one, c, made place');
  const [a, b] = [textOf(await ask(backend, { model: 'a:1' })), textOf(await ask(backend, { model: 'b:1' }))];
  t.not(a, b);
  await backend.create('a:1', await writeTinyExport(join(dir, 'new'), { seed: 1 }), soon());
  t.equal(textOf(await ask(backend, { model: 'a:1' })), b, 'replaced by b’s file, it answers as b');
  await backend.remove('a:1');
  t.match(await ask(backend, { model: 'a:1' }), { status: 404, error: { code: 'model_not_found' } });
});

t.test('files', async (t) => {
  const dir = t.testdir();
  const exported = await writeTinyExport(join(dir, 'export'));
  for (const name of ['../up', '..', '.hidden', 'a/b:c', 'é:1']) {
    await placeModel(join(dir, 'models'), name, exported);
    t.equal(resolve(modelDir(join(dir, 'models'), name), '..'), join(dir, 'models'), `${name} stays inside`);
  }
  t.same((await listStored(join(dir, 'models'))).map((m) => m.name).sort(), ['..', '../up', '.hidden', 'a/b:c', 'é:1'].sort());
  t.equal((await stat(ggufPath(join(dir, 'models'), 'é:1'))).ino, (await stat(join(exported.dir, 'model.gguf'))).ino, 'a hard link');
  await t.rejects(placeModel(join(dir, 'models'), 'bad', { dir: join(dir, 'nowhere'), ggufDigest: 'x' }));
  await removeStored(join(dir, 'models'), '..');
  t.notOk((await readdir(join(dir, 'models'))).some((name) => name.startsWith('.')), 'nothing half-made is left');
});

t.test('it ends with its parent, killed with -9', { timeout: 90_000 }, async (t) => {
  const program = `
    import { createEmbeddedBackend } from ${JSON.stringify(resolve('gateway/inference/embedded/backend.ts'))};
    const backend = createEmbeddedBackend({ modelsDir: ${JSON.stringify(t.testdir())}, threads: 1, logger: console });
    backend.start();
    await backend.url(AbortSignal.timeout(60_000));
    console.log(backend.pid);`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [pid] = await once(createInterface({ input: parent.stdout }), 'line');
  t.doesNotThrow(() => process.kill(Number(pid), 0), 'the engine runs');
  // The engine has the parent's stderr too: that pipe ends when both are gone.
  const bothGone = once(parent.stderr.resume(), 'end', { signal: AbortSignal.timeout(20_000) });
  parent.kill('SIGKILL');
  await t.resolves(bothGone, 'within 20 s');
});

t.test('a process that dies again and again is started with back-off, and stop ends it all', { timeout: 120_000 }, async (t) => {
  const warnings: string[] = [];
  const backend = createEmbeddedBackend({ modelsDir: t.testdir(), threads: 1, logger: { ...silentLogger, warn: (text) => warnings.push(text) }, limits: ['--no-such-option', 'x'] });
  backend.start();
  await t.rejects(backend.send('chat/completions', Buffer.from('{}'), soon()), { code: 'unavailable', message: /being started again/ });
  await t.rejects(backend.send('chat/completions', Buffer.from('{}'), soon()), { code: 'unavailable' });
  t.match(warnings, [/again in 200 ms/, /again in 400 ms/]);
  t.equal(await backend.available(soon()), false);
  await backend.stop();
  await t.rejects(backend.send('chat/completions', Buffer.from('{}'), soon()), { code: 'unavailable', message: /not running/ });
});
