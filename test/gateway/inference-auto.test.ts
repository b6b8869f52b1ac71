import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { createInference } from '../../gateway/inference/create-inference.ts';
import { startLane } from '../support/chat-lane.ts';
import { freePort } from '../support/nats.ts';
import { needsOllama, startOllama } from '../support/ollama.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(240_000);

const model = 'shop:job_1';
const ask = { model: 'shop:latest', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 8, temperature: 0 };
const soon = () => AbortSignal.timeout(60_000);

t.test('auto without Ollama is the embedded engine', { timeout: 90_000 }, async (t) => {
  const dir = t.testdir();
  const backend = await createInference({ inferenceKey: '', inference: 'auto', ollamaUrl: `http://127.0.0.1:${await freePort()}`, dataDir: dir, threads: 1 }, silentLogger);
  const lane = await startLane(t, backend, { 'shop:latest': model });
  t.equal(backend.kind, 'embedded');
  await backend.create(model, await writeTinyExport(join(dir, 'export')), soon());
  t.equal(await backend.available(soon()), true);
  t.equal((await lane.post(ask)).status, 200);
});

t.test('auto follows Ollama as it goes and comes', { ...needsOllama(), timeout: 150_000 }, async (t) => {
  const ollama = await startOllama(t);
  const dir = t.testdir();
  const backend = await createInference({ inferenceKey: '', inference: 'auto', ollamaUrl: ollama.url, dataDir: dir, threads: 1 }, silentLogger);
  const lane = await startLane(t, backend, { 'shop:latest': model, 'later:latest': 'later:job_2' });
  const answeredBy = async (name = 'shop:latest') => {
    const response = await lane.post({ ...ask, model: name }, soon());
    const answer = (await response.json()) as any;
    t.equal(response.status, 200, answer.detail);
    return answer.system_fingerprint === 'fp_ollama' ? 'ollama' : 'embedded';
  };

  t.equal(backend.kind, 'ollama');
  await backend.create(model, await writeTinyExport(join(dir, 'export')), soon());
  t.equal(await answeredBy(), 'ollama');

  await ollama.kill();
  await backend.available(soon());
  t.equal(backend.kind, 'embedded', 'health looks, and does not believe what it knew');
  t.equal(await answeredBy(), 'embedded', 'the model was laid ready there');
  t.equal(await backend.available(soon()), true);
  await backend.create('later:job_2', await writeTinyExport(join(dir, 'later'), { seed: 2 }), soon());

  await ollama.start();
  t.equal(await backend.available(soon()), true);
  t.equal(backend.kind, 'ollama', 'no restart was needed');
  t.equal(await answeredBy(), 'ollama');
  t.equal(await answeredBy('later:latest'), 'embedded', 'what only the engine has');
  t.same((await backend.models(soon())).map((found) => found.name).sort(), ['later:job_2', model]);

  await backend.remove(model);
  t.equal((await lane.post(ask)).status, 503);
});

t.test('a backend that FORGE_INFERENCE names is not replaced by another', async (t) => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const options = { inferenceKey: '', ollamaUrl: url, dataDir: t.testdir(), threads: 1 };
  for (const [inference, kind] of [['ollama', 'ollama'], [url, 'upstream']] as const) {
    const backend = await createInference({ ...options, inference }, silentLogger);
    const lane = await startLane(t, backend, { 'shop:latest': model });
    t.equal(backend.kind, kind);
    t.equal(await backend.available(soon()), false);
    const response = await lane.post(ask);
    t.equal(response.status, 503);
    t.match(await response.json(), { detail: new RegExp(`${kind === 'ollama' ? 'Ollama' : 'server'} .*does not answer at ${url}`) });
  }
  const upstream = await createInference({ ...options, inference: `${url}/v1/` }, silentLogger);
  t.teardown(() => upstream.stop());
  await t.rejects(upstream.create(model, { dir: '', ggufDigest: '' }, soon()), { code: 'unimplemented', message: /set FORGE_INFERENCE to ollama or embedded/ });
  await t.rejects(upstream.remove(model), { code: 'unimplemented' });
});

t.test('a hanging Ollama is not waited for', { timeout: 90_000 }, async (t) => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => void silent.close());
  const { port } = silent.address() as AddressInfo;
  const backend = await createInference({ inferenceKey: '', inference: 'auto', ollamaUrl: `http://127.0.0.1:${port}`, dataDir: t.testdir(), threads: 1 }, silentLogger);
  t.teardown(() => backend.stop());
  const since = performance.now();
  // It never answers: whoever waited for it would come back with the caller's minute, not before.
  await backend.available(soon());
  t.ok(performance.now() - since < 20_000, 'health answers long before the caller gives up');
  t.equal(backend.kind, 'embedded');
});
