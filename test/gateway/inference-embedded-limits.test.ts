import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { silentLogger } from '../../core/logger.ts';
import type { OpenAiEndpoint } from '../../gateway/inference/backend.ts';
import { loadLibrary } from '../../gateway/inference/embedded/library.ts';
import { ModelCache } from '../../gateway/inference/embedded/model-cache.ts';
import { estimateBytes, usualBytes } from '../../gateway/inference/embedded/model-memory.ts';
import { ggufPath, placeModel } from '../../gateway/inference/embedded/model-store.ts';
import { Pace } from '../../gateway/inference/embedded/prompt-reading.ts';
import { soon, startTestEngine } from '../support/embedded-engine.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(240_000);

const never = new AbortController().signal;

t.test('models take turns in memory', async (t) => {
  const dir = t.testdir();
  const modelsDir = join(dir, 'models');
  for (const [seed, name] of ['a:1', 'b:1', 'c:1'].entries()) await placeModel(modelsDir, name, await writeTinyExport(join(dir, name), { seed }));
  const llama = await loadLibrary(1, silentLogger);
  const load = { slots: 1, contextTokens: 256, queue: 3 };
  const cacheOf = (limits: { models?: number; bytes?: number }) => new ModelCache(llama, modelsDir, { ...load, models: 16, bytes: 1e12, ...limits });
  /** A request that has begun and goes on until it is told to end. */
  const request = (cache: ModelCache, name: string, log: string[] = [], signal = never) => {
    const [begun, ends] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const done = cache.with(name, signal, async () => {
      log.push(name);
      begun.resolve();
      await ends.promise;
    });
    done.catch(() => begun.resolve());
    return { begun: begun.promise, end: () => ends.resolve(), done };
  };

  /** A request first looks at its model's file. */
  const queued = async (cache: ModelCache, count: number) => {
    while (cache.queued() < count) await setImmediate();
  };

  await t.test('requests wait in their order, and those for one model go together', async (t) => {
    const cache = cacheOf({ models: 1 });
    const log: string[] = [];
    const first = request(cache, 'a:1', log);
    await first.begun;
    const others: ReturnType<typeof request>[] = [];
    for (const name of ['b:1', 'a:1', 'b:1']) {
      others.push(request(cache, name, log));
      await queued(cache, others.length);
    }
    const [b1, a, b2] = others as [typeof first, typeof first, typeof first];
    await t.rejects(cache.with('c:1', never, async () => undefined), { code: 'rate_limited', message: /"c:1" has to wait until others leave memory, and 3 requests wait already/ });
    t.same(log, ['a:1'], 'the model is there, but another one’s request came before');
    first.end();
    await Promise.all([b1.begun, b2.begun]);
    t.same(log, ['a:1', 'b:1', 'b:1']);
    t.same(cache.names(), ['b:1']);
    b1.end();
    b2.end();
    await a.begun;
    t.same(log, ['a:1', 'b:1', 'b:1', 'a:1'], 'then it is the first one’s turn again');
    a.end();
    await Promise.all([first.done, ...others.map((one) => one.done)]);
  });

  await t.test('who waits may leave', async (t) => {
    const cache = cacheOf({ models: 1 });
    const first = request(cache, 'a:1');
    await first.begun;
    const gone = new AbortController();
    const leaves = request(cache, 'b:1', [], gone.signal);
    await queued(cache, 1);
    const stays = request(cache, 'a:1');
    await queued(cache, 2);
    gone.abort();
    await t.rejects(leaves.done, { code: 'cancelled' });
    await stays.begun;
    t.same(cache.names(), ['a:1'], 'and lets those go on who came later');
    for (const one of [first, stays]) one.end();
    await Promise.all([first.done, stays.done]);
    await t.rejects(cache.with('b:1', AbortSignal.abort(), async () => undefined), { code: 'cancelled' });
  });

  await t.test('memory is what llama.cpp says that models and contexts take', async (t) => {
    const one = await estimateBytes(llama, ggufPath(modelsDir, 'a:1'), 'a', load);
    const longer = await estimateBytes(llama, ggufPath(modelsDir, 'a:1'), 'longer', { ...load, contextTokens: 8192 });
    // Keys and values: 2 x 2 layers x 64 numbers of 2 bytes for each token, in a context to generate and one to embed.
    t.ok(longer - one >= 2 * (8192 - 256) * 2 * 2 * 64 * 2, `${one} and ${longer} bytes`);
    const cache = cacheOf({ bytes: one * 2.5 });
    const uses = (name: string) => cache.with(name, never, async () => undefined);
    const busy = request(cache, 'b:1');
    await busy.begun;
    await uses('a:1');
    await uses('c:1');
    t.same(cache.names().sort(), ['b:1', 'c:1'], 'the idle one made place, not the one in use, which is older');
    busy.end();
    await busy.done;
    await uses('a:1');
    t.same(cache.names().sort(), ['a:1', 'b:1'], 'the least recently used one left');
    t.ok(usualBytes() > 2 ** 28 && Number.isInteger(usualBytes()));
    await t.resolves(cacheOf({ bytes: 1 }).with('a:1', never, async () => undefined), 'one alone is always tried');
  });

  await t.test('says what is there', (t) => t.rejects(cacheOf({}).with('nobody:1', never, async () => undefined), { code: 'not_found', message: /"nobody:1" not found; there is (a|b|c):1, / }).then(() => t.end()));
});

t.test('a prompt is read in pieces of about a quarter of a second', async (t) => {
  const pace = new Pace();
  const sizes = [1_000, 1_000, 1_000, 300, 10, 10].map((tookMs) => (pace.saw(tookMs), pace.tokens));
  t.same(sizes, [16, 8, 8, 8, 16, 32]);
  for (let i = 0; i < 9; i++) pace.saw(1);
  t.equal(pace.tokens, 512);
});

t.test('the engine', async (t) => {
  const { backend, add, ask } = startTestEngine(t, ['--context', '8192', '--slots', '1', '--queue', '1']);
  const model = 'shop:job_1';
  await add(model);
  const send = (endpoint: OpenAiEndpoint, body: object, signal: AbortSignal) => backend.send(endpoint, Buffer.from(JSON.stringify({ model, ...body })), signal);
  const short = { model, prompt: 'a', max_tokens: 1 };

  await t.test('a full queue is a 429 with a time to come back', async (t) => {
    const [runs, waits] = [new AbortController(), new AbortController()];
    const running = await send('completions', { prompt: 'a', max_tokens: 8_000, stream: true }, runs.signal);
    const waiting = send('completions', short, waits.signal).catch((error) => error);
    // Whoever comes third is refused, once the second one is in the queue.
    const refusals = await Promise.all([1, 2].map(() => ask('completions', short)).map(async (asked) => { const answer = await asked; runs.abort(); return answer; }));
    const refused = refusals.find(({ status }) => status === 429);
    t.match(refused, { headers: { 'retry-after': '5' }, error: { type: 'rate_limit_error', code: 'rate_limit_exceeded', message: /1 requests wait already/ } });
    await waiting;
    await t.rejects(async () => { for await (const _ of running.body) await undefined; }, { code: 'cancelled' });
    t.equal((await ask('completions', short)).status, 200);
  });

  await t.test('who is gone while waiting has left the queue', async (t) => {
    const [runs, leaves] = [new AbortController(), new AbortController()];
    await send('completions', { prompt: 'a', max_tokens: 8_000, stream: true }, runs.signal);
    const left = send('completions', short, leaves.signal);
    leaves.abort();
    await t.rejects(left, { code: 'cancelled' });
    let answer = await ask('completions', { ...short, best_of: 3 });
    const next = send('completions', short, soon());
    runs.abort();
    answer = await next;
    t.equal(answer.status, 200);
    for await (const _ of answer.body) await undefined;
  });

  for (const [endpoint, field] of [['completions', 'prompt'], ['embeddings', 'input']] as const) {
    await t.test(`${endpoint}: who is gone while a long prompt is read leaves its place`, async (t) => {
      const text = (letter: string) => ({ [field]: letter.repeat(4_000), ...(field === 'prompt' ? { max_tokens: 1 } : {}) });
      const since = performance.now();
      for await (const _ of (await send(endpoint, text('x'), soon())).body) await undefined;
      const wholeMs = performance.now() - since;
      const gone = new AbortController();
      const left = send(endpoint, text('y'), gone.signal);
      const begun = performance.now();
      // Long enough for it to have begun, and a small part of what it takes.
      await new Promise((resolve) => setTimeout(resolve, wholeMs / 10));
      gone.abort();
      await t.rejects(left, { code: 'cancelled' });
      const after = performance.now();
      t.equal((await ask(endpoint, { model, [field]: 'a', ...(field === 'prompt' ? { max_tokens: 1 } : {}) })).status, 200);
      const freeMs = performance.now() - after;
      t.comment(`whole: ${Math.round(wholeMs)} ms; left after ${Math.round(after - begun)} ms; the place was free ${Math.round(freeMs)} ms later`);
      t.ok(freeMs < wholeMs / 3);
    });
  }

  await t.test('it dies in mid-stream: the stream fails at once, and the next request is answered', async (t) => {
    const before = (await ask('completions', { ...short, temperature: 0 })).choices;
    const { body } = await send('completions', { prompt: 'a', max_tokens: 8_000, stream: true }, soon());
    await t.rejects(
      async () => {
        for await (const _ of body) if (backend.pid !== undefined) process.kill(backend.pid, 'SIGKILL');
      },
      { code: 'unavailable', message: /stopped in the middle of its answer/ },
    );
    t.same((await ask('completions', { ...short, temperature: 0 })).choices, before, 'by a new process, which nobody had to start');
    t.equal((await ask('embeddings', { model, input: 'a' })).status, 200);
  });
});
