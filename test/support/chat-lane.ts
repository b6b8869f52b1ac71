import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { InferenceBackend } from '../../gateway/inference/backend.ts';
import { createInferenceRoutes } from '../../gateway/openai/inference-routes.ts';
import { createOpenAiLane } from '../../gateway/openai/lane.ts';
import { createModelRoutes } from '../../gateway/openai/model-routes.ts';
import type { DeleteModel, ModelDirectory } from '../../gateway/openai/model-directory.ts';

/** A directory of fixed aliases; the first one is active. */
export function fixedDirectory(aliases: Record<string, string>): ModelDirectory {
  const list = Object.entries(aliases).map(([name, backendName]) => ({ name, backendName, createdAt: new Date(1_700_000_000_000) }));
  return { resolve: (name) => list.find((model) => model.name === name), active: () => list[0]?.name, list: () => list };
}

export interface ChatLane {
  /** Ends in `/v1`. */
  base: string;
  post(body: unknown, signal?: AbortSignal): Promise<Response>;
}

/** The OpenAI lane alone on a real HTTP server. */
export async function startLane(t: Pick<Test, 'teardown'>, backend: InferenceBackend, aliases: Record<string, string> | ModelDirectory, deleteModel: DeleteModel = async () => undefined): Promise<ChatLane> {
  const models = isDirectory(aliases) ? aliases : fixedDirectory(aliases);
  const lane = createOpenAiLane({ routes: [...createInferenceRoutes({ backend: () => backend, models }), ...createModelRoutes(models, deleteModel)] });
  const server = createServer((request, response) => {
    if (!lane.handle(request, response, new URL(request.url!, 'http://localhost'))) response.writeHead(418).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.close();
    server.closeAllConnections();
    await backend.stop();
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const post = (body: unknown, signal?: AbortSignal) =>
    fetch(`${base}/chat/completions`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'content-type': 'application/json' }, ...(signal === undefined ? {} : { signal }) });
  return { base, post };
}

const isDirectory = (aliases: Record<string, string> | ModelDirectory): aliases is ModelDirectory => typeof aliases['resolve'] === 'function';

/** The data of each event, until the stream ends. */
export async function* eventsOf(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true });
    const events = text.split('\n\n');
    text = events.pop()!;
    for (const event of events) if (event.startsWith('data: ')) yield event.slice('data: '.length);
  }
}

/** The text and the usage of a whole stream; fails on an error event. */
export async function readStream(response: Response): Promise<{ text: string; finish: string | undefined; usage: Record<string, number> | undefined; models: Set<string>; done: boolean }> {
  const result = { text: '', finish: undefined as string | undefined, usage: undefined as Record<string, number> | undefined, models: new Set<string>(), done: false };
  for await (const data of eventsOf(response)) {
    if (data === '[DONE]') {
      result.done = true;
      continue;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    result.models.add(chunk.model);
    result.text += chunk.choices[0]?.delta.content ?? '';
    result.finish = chunk.choices[0]?.finish_reason ?? result.finish;
    result.usage = chunk.usage ?? result.usage;
  }
  return result;
}
