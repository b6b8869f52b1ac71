import { ForgeError } from '../../core/errors.ts';
import type { BackendModel, InferenceBackend } from './backend.ts';
import { answers, createOpenAiClient } from './openai-client.ts';
import { checkedOllamaAnswer } from './ollama-answer.ts';
import { createOllamaModel } from './ollama-create.ts';
import { toOllamaRequest } from './ollama-request.ts';
import { createOllamaRoom } from './ollama-room.ts';
import { createUpstreamHttp } from './upstream-http.ts';

/** Ollama at `url` (scheme, host and port), through its own API and its OpenAI one. */
export function createOllamaBackend(url: string): InferenceBackend {
  const http = createUpstreamHttp('Ollama', 'Start it with `ollama serve`, set OLLAMA_HOST, or set FORGE_INFERENCE=embedded');
  const client = createOpenAiClient(http, () => `${url}/v1`);
  const room = createOllamaRoom(http, url);
  let stopped: Promise<void> | undefined;

  const models = async (signal: AbortSignal): Promise<BackendModel[]> => {
    const { status, value, text } = await http.json({ method: 'GET', url: `${url}/api/tags`, signal });
    const list = (value as { models?: { name: string; size: number; modified_at: string; digest: string }[] } | undefined)?.models;
    if (status !== 200 || !Array.isArray(list)) throw new ForgeError('unavailable', `Ollama's list of models could not be read (status ${status}): ${text.slice(0, 200)}`);
    return list.map((model) => ({ name: model.name, size: model.size, modifiedAt: new Date(model.modified_at), digest: model.digest }));
  };

  return {
    kind: 'ollama',
    available: (signal) => answers(http, `${url}/api/version`, signal),
    models,
    async send(endpoint, body, signal) {
      const request = toOllamaRequest(endpoint, body);
      await room.check(endpoint, request, signal);
      return checkedOllamaAnswer(endpoint, await client.send(endpoint, request, signal));
    },
    async create(name, exported, signal) {
      await createOllamaModel(http, url, name, exported, signal);
      const made = (await models(signal)).find((model) => model.name === name);
      if (made?.digest === undefined) throw new ForgeError('unavailable', `Ollama created "${name}" and does not list it`);
      return { digest: made.digest };
    },
    async remove(name) {
      const { status, text } = await http.json({ method: 'DELETE', url: `${url}/api/delete`, body: JSON.stringify({ model: name }), signal: AbortSignal.timeout(30_000) });
      if (status !== 200 && status !== 404) throw new ForgeError('unavailable', `Ollama could not remove "${name}" (status ${status}): ${text.slice(0, 200)}`);
    },
    stop: () => (stopped ??= http.close()),
  };
}
