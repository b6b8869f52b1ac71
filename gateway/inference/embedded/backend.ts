import { ForgeError, isForgeError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ExportedModel, InferenceBackend } from '../backend.ts';
import { answers, createOpenAiClient } from '../openai-client.ts';
import { backendError } from '../openai-answer.ts';
import { createUpstreamHttp } from '../upstream-http.ts';
import { createEngineProcess } from './engine-process.ts';
import { listStored, placeModel, removeStored } from './model-store.ts';

export interface EmbeddedBackend extends InferenceBackend {
  /** Starts the engine's process, once. Without it, models can be placed, and everything else is unavailable. */
  start(): void;
  /** Puts a model in without loading it; its prompts are compared when it is loaded. */
  place(name: string, exported: ExportedModel): Promise<void>;
  readonly pid: number | undefined;
  /** Where the engine listens; waits for a start that is under way. @throws ForgeError unavailable, cancelled */
  url(signal: AbortSignal): Promise<string>;
}

export interface EmbeddedOptions {
  /** Where its models lie. */
  modelsDir: string;
  /** 0: as many as the machine has for this. */
  threads: number;
  logger: Logger;
  /** More arguments of embedded/server.ts: limits. */
  limits?: readonly string[];
}

/** llama.cpp in a process of its own, behind the same HTTP as every other backend. */
export function createEmbeddedBackend(options: EmbeddedOptions): EmbeddedBackend {
  const { modelsDir, logger } = options;
  const engine = createEngineProcess(['--models', modelsDir, '--threads', String(options.threads), ...(options.limits ?? [])], logger);
  const http = createUpstreamHttp('The embedded inference engine', 'It is being started again');
  let stopped: Promise<void> | undefined;

  return {
    kind: 'embedded',
    start: () => engine.start(),
    get pid() {
      return engine.pid;
    },
    url: (signal) => engine.ready(signal),
    place: (name, exported) => placeModel(modelsDir, name, exported),
    available: async (signal) => engine.url !== undefined && answers(http, `${engine.url}/v1/models`, signal),
    models: () => listStored(modelsDir),
    async create(name, exported, signal) {
      await placeModel(modelsDir, name, exported);
      const url = await engine.ready(signal);
      const { status, text } = await http.json({ method: 'POST', url: `${url}/engine/load`, body: JSON.stringify({ model: name }), signal });
      if (status !== 200) {
        await removeStored(modelsDir, name);
        const said = backendError(status, text, 'chat/completions', { name, backendName: name });
        throw new ForgeError(status < 500 ? 'wrong_state' : said.code, said.message, { cause: said });
      }
      return { digest: exported.ggufDigest };
    },
    // The engine looks at the folder with each request, and lets go of what is no longer there.
    remove: (name) => removeStored(modelsDir, name),
    async send(endpoint, body, signal) {
      const send = (url: string) => createOpenAiClient(http, () => `${url}/v1`).send(endpoint, body, signal);
      const url = await engine.ready(signal);
      try {
        return await send(url);
      } catch (error) {
        // It died before it answered: nothing was generated yet, and the next process can do it, once.
        if (!isForgeError(error, 'unavailable') || !(await engine.died(url))) throw error;
        return await send(await engine.ready(signal));
      }
    },
    stop: () => (stopped ??= Promise.all([engine.stop(), http.close()]).then(() => undefined)),
  };
}
