// One suite for all backends, each real, through the OpenAI lane.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createEmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { placeModel } from '../../gateway/inference/embedded/model-store.ts';
import type { InferenceBackend } from '../../gateway/inference/backend.ts';
import { createOllamaBackend } from '../../gateway/inference/ollama.ts';
import { createUpstreamBackend } from '../../gateway/inference/upstream.ts';
import { silentLogger } from '../../core/logger.ts';
import { startBareServer } from '../support/bare-server.ts';
import { eventsOf, readStream, startLane } from '../support/chat-lane.ts';
import { needsOllama, startOllama } from '../support/ollama.ts';
import { chatmlText, tokenIds, writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(240_000);

const alias = 'shop:latest';
const model = 'shop:job_20260101_000000';
const messages = [{ role: 'user', content: 'Explain x < y.' }];
const promptTokens = tokenIds(chatmlText(messages)).length;
/** Two requests at once, and contexts long enough for a generation that outlasts the test. */
const limits = ['--slots', '2', '--context', '32768'];
const limitMs = 45_000;

interface Scene {
  backend: InferenceBackend;
  /** kill -9 */
  kill(): Promise<void>;
  /** Makes it come back, where nobody else does. */
  start(): Promise<void>;
  /** Whether it is down until somebody starts it. */
  staysDown: boolean;
  /** Ollama alone, which may lose the place of a stream that is left (see startOllama): a new one, and how it tells that it is done with one. */
  leaks?: { fresh(): Promise<void>; chatOver(): Promise<void> };
}

async function embeddedScene(t: Test): Promise<Scene> {
  const exported = await writeTinyExport(join(t.testdir(), 'export'));
  const backend = createEmbeddedBackend({ modelsDir: join(exported.dir, '../models'), threads: 1, logger: silentLogger, limits });
  backend.start();
  await backend.create(model, exported, AbortSignal.timeout(limitMs));
  return { backend, staysDown: false, kill: async () => void process.kill(backend.pid!, 'SIGKILL'), start: async () => undefined };
}

async function ollamaScene(t: Test): Promise<Scene> {
  const exported = await writeTinyExport(join(t.testdir(), 'export'));
  const ollama = await startOllama(t, { parallel: 2 });
  const backend = createOllamaBackend(ollama.url);
  await backend.create(model, exported, AbortSignal.timeout(limitMs));
  const fresh = async (): Promise<void> => {
    await ollama.kill();
    await ollama.start();
  };
  return { backend, staysDown: true, kill: ollama.kill, start: ollama.start, leaks: { fresh, chatOver: ollama.chatOver } };
}

async function upstreamScene(t: Test): Promise<Scene> {
  const exported = await writeTinyExport(join(t.testdir(), 'export'));
  const modelsDir = join(exported.dir, '../models');
  await placeModel(modelsDir, model, exported);
  const server = await startBareServer(t, modelsDir, limits);
  return { backend: createUpstreamBackend(server.url), staysDown: true, kill: server.kill, start: server.start };
}

function suite(name: string, scene: (t: Test) => Promise<Scene>, options: { skip?: string } = {}): void {
  t.test(name, { ...options, timeout: 150_000 }, async (t) => {
    const made = await scene(t);
    const { backend } = made;
    const lane = await startLane(t, backend, { [alias]: model, 'lost:latest': 'lost:job_1' });
    const short = { model: alias, messages, max_tokens: 12, temperature: 0, seed: 7 };
    const long = { model: alias, messages, temperature: 1, seed: 7, stream: true };

    await t.test('is available and lists what it has', async (t) => {
      t.equal(await backend.available(AbortSignal.timeout(limitMs)), true);
      t.match((await backend.models(AbortSignal.timeout(limitMs))).map((m) => m.name), [model]);
    });

    let text = '';
    await t.test('answers whole, with tokens counted', async (t) => {
      const response = await lane.post(short);
      const answer = await response.json() as any;
      t.equal(response.status, 200);
      t.match(answer, { id: /^chatcmpl-/, object: 'chat.completion', created: Number, model: alias, choices: [{ index: 0, message: { role: 'assistant', content: String }, finish_reason: 'length' }] });
      t.same(answer.usage, { prompt_tokens: promptTokens, completion_tokens: 12, total_tokens: promptTokens + 12 });
      text = answer.choices[0].message.content;
      t.equal(text.length, 12, 'a character a token');
    });

    await t.test('streams the same text', async (t) => {
      const response = await lane.post({ ...short, stream: true, stream_options: { include_usage: true } });
      t.match(response.headers.get('content-type'), /^text\/event-stream/);
      const stream = await readStream(response);
      t.match(stream, { text, finish: 'length', done: true, models: new Set([alias]) });
      t.equal(stream.usage?.['total_tokens'], promptTokens + 12);
    });

    await t.test('answers two at once', async (t) => {
      const gone = new AbortController();
      const first = eventsOf(await lane.post(long, gone.signal));
      await first.next();
      const second = await lane.post(short);
      t.equal((await second.json() as any).choices[0].message.content, text, 'the second ends while the first goes on');
      t.equal((await first.next()).done, false);
      gone.abort();
    });

    for (const stream of [true, false]) {
      await t.test(`stops generating when the client of ${stream ? 'a stream' : 'a whole answer'} goes away`, async (t) => {
        await made.leaks?.fresh();
        const [leaves, stays] = [new AbortController(), new AbortController()];
        const left = lane.post({ ...long, stream }, leaves.signal);
        if (stream) await eventsOf(await left).next();
        const staying = eventsOf(await lane.post(long, AbortSignal.any([stays.signal, AbortSignal.timeout(limitMs)])));
        await staying.next();
        let generated = 0;
        const reading = (async () => { for await (const _ of staying) generated += 1; })().catch(() => undefined);
        const over = made.leaks?.chatOver();
        leaves.abort();
        await left.catch(() => undefined);
        if (stream && over !== undefined) {
          await over;
        } else {
          const next = await lane.post({ ...short, max_tokens: 1 }, AbortSignal.timeout(limitMs));
          t.equal(next.status, 200);
          await next.json();
        }
        // The answer that was left would have gone on as long as this one, which began with it. Tokens, not seconds:
        // a busy machine is slow with both.
        t.ok(generated < 3000, `both places were taken; the other answer got ${generated} tokens until one was free`);
        stays.abort();
        await reading;
      });
    }

    await made.leaks?.fresh();
    await t.test('says that a model is not there', async (t) => {
      const unknown = await lane.post({ ...short, model: 'nobody:latest' });
      t.equal(unknown.status, 404);
      t.match(await unknown.json(), { error: { code: 'model_not_found', param: 'model' }, detail: /"nobody:latest" not found; there is shop:latest/ });
      const lost = await lane.post({ ...short, model: 'lost:latest' });
      t.equal(lost.status, 503);
      t.match(await lost.json(), { detail: /lost:latest.*does not have it/ });
    });

    await t.test('refuses a prompt that does not fit', async (t) => {
      const response = await lane.post({ ...short, messages: [{ role: 'user', content: 'x'.repeat(40_000) }] });
      t.equal(response.status, 400);
      t.match(await response.json(), { error: { type: 'invalid_request_error', param: 'messages', message: /send less/ } });
    });

    await t.test('dies in mid-stream: an error event, then the end', async (t) => {
      const events = eventsOf(await lane.post(long, AbortSignal.timeout(limitMs)));
      await events.next();
      await made.kill();
      let last = '';
      for await (const data of events) last = data;
      t.match(JSON.parse(last), { error: { type: 'server_error', message: /stopped in the middle/ }, detail: String });
    });

    if (made.staysDown) {
      await t.test('is down: 503, and not available', async (t) => {
        const response = await lane.post(short);
        t.equal(response.status, 503);
        t.match(await response.json(), { error: { type: 'server_error' }, detail: /does not answer/ });
        t.equal(await backend.available(AbortSignal.timeout(limitMs)), false);
      });
    }

    await t.test('comes back', async (t) => {
      await made.start();
      const response = await lane.post(short, AbortSignal.timeout(limitMs));
      t.equal(response.status, 200);
      t.equal((await response.json() as any).choices[0].message.content, text);
      t.equal(await backend.available(AbortSignal.timeout(limitMs)), true);
    });
  });
}

suite('embedded', embeddedScene);
suite('upstream', upstreamScene);
suite('ollama', ollamaScene, needsOllama());
