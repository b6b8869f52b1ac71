// Names that are served, on a real fold and a real Ollama: aliases, versions, base models; moving and deleting them.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { modelAggregate } from '../../core/model/model.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { createDeleteModel } from '../../gateway/delete-model.ts';
import type { InferenceBackend } from '../../gateway/inference/backend.ts';
import { createOllamaBackend } from '../../gateway/inference/ollama.ts';
import { createUpstreamBackend } from '../../gateway/inference/upstream.ts';
import { eventsOf, fixedDirectory, startLane } from '../support/chat-lane.ts';
import { startModelScene } from '../support/model-scene.ts';
import { needsOllama, startOllama } from '../support/ollama.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(240_000);

const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const [a, b] = ['job_20260101_000000', 'job_20260102_000000'];

async function startScene(t: Test, backend: InferenceBackend) {
  const scene = await startModelScene(t, backend);
  return {
    ...scene,
    promote: (jobId: string) => scene.promote('shop', jobId),
    async send(verb: 'GET' | 'DELETE', path: string) {
      const response = await fetch(`${scene.lane.base}${path}`, { method: verb });
      return { status: response.status, body: (await response.json()) as any };
    },
  };
}

t.test('with Ollama', { ...needsOllama(), timeout: 150_000 }, async (t) => {
  const dir = t.testdir();
  const ollama = await startOllama(t);
  const backend = createOllamaBackend(ollama.url);
  await backend.create(`shop:${a}`, await writeTinyExport(join(dir, 'a'), { seed: 1 }), soon());
  await backend.create(`shop:${b}`, await writeTinyExport(join(dir, 'b'), { seed: 2 }), soon());
  await backend.create('llama-base:latest', await writeTinyExport(join(dir, 'base'), { seed: 3 }), soon());
  const scene = await startScene(t, backend);
  await scene.promote(b);
  await scene.promote(a);
  const request = { model: 'shop:latest', messages: [{ role: 'user', content: 'Hello!' }], max_tokens: 12, temperature: 0 };
  const ask = async (model: string) => (await (await scene.lane.post({ ...request, model })).json()) as any;
  const textOf = async (model: string): Promise<string> => (await ask(model)).choices[0].message.content;
  const there = async (name: string): Promise<boolean> => (await backend.models(soon())).some((model) => model.name === name);

  await t.test('alias, plain project, versions and base models answer under the name that was asked for', async (t) => {
    for (const name of ['shop:latest', 'shop', `shop:${a}`, `shop:${b}`, 'llama-base', 'llama-base:latest']) t.equal((await ask(name)).model, name);
    t.equal(await textOf('shop:latest'), await textOf(`shop:${a}`));
    t.not(await textOf('shop:latest'), await textOf(`shop:${b}`));
    t.strictSame((await scene.send('GET', '/models')).body.data.map((model: any) => model.id).sort(), ['llama-base:latest', `shop:${a}`, `shop:${b}`, 'shop:latest'].sort());
    t.match(await scene.send('GET', '/models/llama-base:latest'), { status: 200, body: { id: 'llama-base:latest', object: 'model', created: Number } });
    t.match(await scene.send('GET', '/models/nobody'), { status: 404, body: { error: { code: 'model_not_found', message: /there is shop:latest/ } } });
  });

  await t.test('a base model that has just come is found', async (t) => {
    await fetch(`${ollama.url}/api/copy`, { method: 'POST', body: JSON.stringify({ source: 'llama-base:latest', destination: 'new-base:1b' }) });
    t.equal((await ask('new-base:1b')).model, 'new-base:1b');
  });

  await t.test('an alias that moves does not break a stream that runs', async (t) => {
    const before = await textOf('shop:latest');
    const stream = eventsOf(await scene.lane.post({ ...request, max_tokens: 400, temperature: 1, seed: 5, stream: true }, soon()));
    const seen = [JSON.parse((await stream.next()).value as string)];
    await scene.promote(b);
    t.not(await textOf('shop:latest'), before, 'the next request is answered by the new version');
    let done = false;
    for await (const data of stream) {
      if (data === '[DONE]') done = true;
      else seen.push(JSON.parse(data));
    }
    t.ok(done);
    t.strictSame([...new Set(seen.map((chunk) => chunk.model))], ['shop:latest']);
    t.match(await scene.send('GET', '/models/shop'), { status: 200, body: { id: 'shop', object: 'model' } }, 'a name that chats may use is a model');
    t.equal(seen.at(-1).choices[0].finish_reason, 'length');
  });

  await t.test('a version that is deleted goes from Ollama; a stream of it runs to its end', async (t) => {
    const stream = eventsOf(await scene.lane.post({ ...request, model: `shop:${a}`, max_tokens: 400, temperature: 1, seed: 5, stream: true }, soon()));
    await stream.next();
    t.match(await scene.send('DELETE', `/models/shop:${a}`), { status: 200, body: { id: `shop:${a}`, object: 'model', deleted: true } });
    const rest = await Array.fromAsync(stream);
    t.equal(rest.at(-1), '[DONE]');
    t.match(JSON.parse(rest.at(-2)!), { choices: [{ finish_reason: 'length' }] });
    t.notOk(await there(`shop:${a}`));
    t.match(await scene.send('GET', `/models/shop:${a}`), { status: 404 });
    t.match(await scene.send('DELETE', `/models/shop:${a}`), { status: 404, body: { error: { code: 'model_not_found' } } });
  });

  await t.test('files that stayed are no model, and go when it is deleted again', async (t) => {
    await fetch(`${ollama.url}/api/copy`, { method: 'POST', body: JSON.stringify({ source: `shop:${b}`, destination: `shop:${a}` }) });
    t.match(await scene.send('GET', `/models/shop:${a}`), { status: 404 });
    t.match(await scene.send('DELETE', `/models/shop:${a}`), { status: 200 });
    t.notOk(await there(`shop:${a}`));
  });

  await t.test('what the alias points to, a base model, and what is not there can’t be deleted', async (t) => {
    t.match(await scene.send('DELETE', `/models/shop:${b}`), { status: 400, body: { error: { param: 'model', message: /points to this version/ } } });
    t.match(await scene.send('DELETE', '/models/llama-base'), { status: 403, body: { error: { type: 'permission_error', message: /ollama rm llama-base:latest/ } } });
    t.match(await scene.send('DELETE', '/models/nobody'), { status: 404 });
    t.ok((await there(`shop:${b}`)) && (await there('llama-base:latest')));
  });

  await t.test('an alias is deleted, and its version stays', async (t) => {
    t.match(await scene.send('DELETE', '/models/shop:latest'), { status: 200, body: { id: 'shop:latest', deleted: true } });
    t.match(await scene.send('GET', '/models/shop:latest'), { status: 404 });
    t.equal((await ask(`shop:${b}`)).model, `shop:${b}`);
    await scene.promote(b);
    t.equal((await ask('shop:latest')).model, 'shop:latest');
    await scene.send('DELETE', '/models/shop:latest');
  });

  await t.test('while Ollama is down nothing is deleted', async (t) => {
    await ollama.kill();
    t.match(await scene.send('DELETE', `/models/shop:${b}`), { status: 503, body: { error: { type: 'server_error' } } });
    t.equal(scene.ledger.head(modelAggregate, 'shop').state.versions.length, 1);
    await ollama.start();
    t.match(await scene.send('DELETE', `/models/shop:${b}`), { status: 200 });
    t.notOk(await there(`shop:${b}`));
  });
});

t.test('an upstream’s models are its own', async (t) => {
  const backend = createUpstreamBackend('http://127.0.0.1:9');
  const models = fixedDirectory({ theirs: 'theirs' });
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [modelAggregate] as never, logger: silentLogger });
  const lane = await startLane(t, backend, models, createDeleteModel({ ledger, backend, models }));
  const response = await fetch(`${lane.base}/models/theirs`, { method: 'DELETE' });
  t.equal(response.status, 403);
  t.match(await response.json(), { error: { type: 'permission_error', code: 'permission_denied', param: 'model', message: /upstream server's own/ } });
  t.equal((await fetch(`${lane.base}/models/nobodys`, { method: 'DELETE' })).status, 404);
});
