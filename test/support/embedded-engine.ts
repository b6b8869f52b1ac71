import { join } from 'node:path';
import type { Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import type { OpenAiEndpoint } from '../../gateway/inference/backend.ts';
import type { EmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { createEmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { readAll } from '../../gateway/inference/upstream-http.ts';
import type { TinyOptions } from './tiny-model.ts';
import { writeTinyExport } from './tiny-model.ts';

/** For one call: a machine that runs other tests too is slow, and what hangs must end some time. */
export const soon = (): AbortSignal => AbortSignal.timeout(60_000);

export interface TestEngine {
  backend: EmbeddedBackend;
  /** Makes and loads a model. */
  add(name: string, options?: TinyOptions): Promise<void>;
  /** The status beside the JSON that was answered. */
  ask(endpoint: OpenAiEndpoint, body: object): Promise<any>;
  /** The JSON of each event, and whether `[DONE]` came last. */
  stream(endpoint: OpenAiEndpoint, body: object): Promise<{ events: any[]; done: boolean }>;
}

/** A real engine in a process of its own. */
export function startTestEngine(t: Pick<Test, 'teardown' | 'testdir'>, limits: readonly string[]): TestEngine {
  const dir = t.testdir();
  const backend = createEmbeddedBackend({ modelsDir: join(dir, 'models'), threads: 1, logger: silentLogger, limits });
  t.teardown(() => backend.stop());
  backend.start();
  const send = async (endpoint: OpenAiEndpoint, body: object) => {
    const answer = await backend.send(endpoint, Buffer.from(JSON.stringify(body)), soon());
    return { status: answer.status, headers: answer.headers, text: Buffer.from(await readAll(answer.body, 16e6, 'engine')).toString() };
  };
  return {
    backend,
    async add(name, options = {}) {
      await backend.create(name, await writeTinyExport(join(dir, 'exports', encodeURIComponent(name)), options), soon());
    },
    async ask(endpoint, body) {
      const { status, headers, text } = await send(endpoint, body);
      return { status, headers, ...JSON.parse(text) };
    },
    async stream(endpoint, body) {
      const { text } = await send(endpoint, { ...body, stream: true });
      const data = text.split('\n\n').filter((event) => event !== '').map((event) => event.slice('data: '.length));
      return { events: data.filter((event) => event !== '[DONE]').map((event) => JSON.parse(event)), done: data.at(-1) === '[DONE]' };
    },
  };
}
