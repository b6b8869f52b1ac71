import type { Logger } from '../../core/logger.ts';
import type { InferenceBackend } from './backend.ts';
import type { EmbeddedBackend } from './embedded/backend.ts';

/** How long a look at Ollama is believed. */
const believedMs = 2_000;

/**
 * Ollama while it answers, else the embedded engine; looked at again all the time, so neither coming nor going needs a
 * restart of ours. What is created in Ollama is laid ready for the embedded engine too (a hard link), so that it can
 * take over; and what only the embedded engine has is answered by it.
 */
export function createAutoBackend(ollama: InferenceBackend, embedded: EmbeddedBackend, logger: Logger): InferenceBackend {
  let current: InferenceBackend = ollama;
  let lookedAt = -Infinity;
  let looking: Promise<InferenceBackend> | undefined;
  let stopped: Promise<void> | undefined;

  const look = async (): Promise<InferenceBackend> => {
    const found = (await ollama.available(AbortSignal.timeout(1_000))) ? ollama : embedded;
    if (found === embedded && stopped === undefined) embedded.start();
    if (found !== current) logger.info(`requests go to ${found.kind} from now on`);
    current = found;
    lookedAt = performance.now();
    return found;
  };
  const choose = async (): Promise<InferenceBackend> => {
    if (performance.now() - lookedAt < believedMs) return current;
    looking ??= look().finally(() => (looking = undefined));
    return looking;
  };
  const forget = () => (lookedAt = -Infinity);

  return {
    get kind() {
      return current.kind;
    },
    async available(signal) {
      forget();
      // Both at once: a hanging Ollama must not use up the time of the other.
      const [chosen, embeddedThere] = await Promise.all([choose(), embedded.available(signal)]);
      return chosen === ollama || embeddedThere;
    },
    async models(signal) {
      const [first, rest] = await Promise.all([choose().then((chosen) => chosen.models(signal)), embedded.models(signal)]);
      const names = new Set(first.map((model) => model.name));
      return [...first, ...rest.filter((model) => !names.has(model.name))];
    },
    async create(name, exported, signal) {
      const chosen = await choose();
      const made = await chosen.create(name, exported, signal);
      if (chosen === ollama) await embedded.place(name, exported);
      return made;
    },
    async remove(name) {
      await embedded.remove(name);
      if ((await choose()) === ollama) await ollama.remove(name);
    },
    async send(endpoint, body, signal) {
      const chosen = await choose();
      try {
        const answer = await chosen.send(endpoint, body, signal);
        if (answer.status !== 404 || chosen === embedded) return answer;
        for await (const _ of answer.body); // read to its end, so that the connection can be used again
        embedded.start();
        return await embedded.send(endpoint, body, signal);
      } catch (error) {
        forget();
        throw error;
      }
    },
    stop: () => (stopped ??= Promise.all([ollama.stop(), embedded.stop()]).then(() => undefined)),
  };
}
