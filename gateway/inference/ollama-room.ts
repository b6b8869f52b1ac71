import { ForgeError, invalid } from '../../core/errors.ts';
import type { OpenAiEndpoint } from './backend.ts';
import type { CancelSignal } from './cancel.ts';
import { probeOf } from './ollama-probe.ts';
import type { UpstreamHttp } from './upstream-http.ts';

type Json = Record<string, any>;

interface Sizes {
  /** Tokens; undefined where only loading the model would tell. */
  context: number | undefined;
  /** Numbers of an embedding. */
  embedding: number | undefined;
  readAt: number;
}

const believedMs = 60_000;
const mostKnown = 1000;
/** Tokens. Smaller contexts are no use; a request of fewer bytes fits. */
const smallestContext = 128;
const overflow = /exceeds the context length/;

/**
 * Ollama cuts a prompt that does not fit, by its OpenAI routes without a word. Here such a request is refused. Its own
 * API can be told to refuse too (`truncate`), and is asked first, for one token: what it has read by then it keeps for the
 * request itself. A token is at least a byte, so no shorter request is asked about.
 */
export function createOllamaRoom(http: UpstreamHttp, url: string) {
  const known = new Map<string, Sizes>();

  const ask = (path: string, body: unknown, signal: CancelSignal) => http.json({ method: 'POST', url: `${url}${path}`, body: JSON.stringify(body), signal });

  const sizesOf = async (model: string, signal: CancelSignal): Promise<Sizes> => {
    const before = known.get(model);
    if (before !== undefined && performance.now() - before.readAt < believedMs) return before;
    const shown = (await ask('/api/show', { model }, signal)).value as { parameters?: string; model_info?: Json } | undefined;
    const set = Number(/^num_ctx\s+(\d+)/m.exec(shown?.parameters ?? '')?.[1]);
    const embedding = Object.entries(shown?.model_info ?? {}).find(([key]) => key.endsWith('.embedding_length'))?.[1] as number | undefined;
    const sizes = { context: set > 0 ? set : await loadedContext(model, signal), embedding, readAt: performance.now() };
    if (known.size >= mostKnown) known.clear();
    // What is not loaded yet will be after this request, and tells then.
    if (sizes.context !== undefined) known.set(model, sizes);
    return sizes;
  };
  const loadedContext = async (model: string, signal: CancelSignal): Promise<number | undefined> => {
    const loaded = (await http.json({ method: 'GET', url: `${url}/api/ps`, signal })).value as { models?: { name: string; context_length?: number }[] } | undefined;
    return loaded?.models?.find(({ name }) => name === model || name === `${model}:latest`)?.context_length;
  };

  return {
    /** @throws ForgeError context_length_exceeded, invalid_argument (more dimensions than there are), cancelled, unavailable */
    async check(endpoint: OpenAiEndpoint, body: Uint8Array, signal: CancelSignal): Promise<void> {
      // Most chats are shorter than any context, and need no look at the model.
      if (endpoint !== 'embeddings' && body.length < smallestContext) return;
      const request = JSON.parse(Buffer.from(body).toString()) as Json;
      const { context, embedding } = await sizesOf(request['model'], signal);
      if (endpoint === 'embeddings' && embedding !== undefined && request['dimensions'] > embedding) throw invalid('dimensions', `this model's embeddings have ${embedding}; ask for as many or fewer`);
      if (request['truncation'] === 'auto') return;
      const probe = attempt(() => probeOf(endpoint, request, context ?? 0));
      if (probe === undefined || (endpoint !== 'embeddings' && body.length <= (context ?? 0))) return;
      const { status, text } = await ask(probe.path, { model: request['model'], truncate: false, ...probe.body }, signal);
      if (status !== 400 || !overflow.test(text)) return;
      const room = context === undefined ? '' : ` of ${context} tokens`;
      throw new ForgeError('context_length_exceeded', `${probe.field}: it does not fit into the model's context${room}; send less`, { field: probe.field });
    },
  };
}

/** What can't be read as OpenAI's is not asked about: Ollama refuses the request itself. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
