import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { ForgeError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { readBody } from '../../openai/request-body.ts';
import { chatRoute } from './chat-route.ts';
import { completionRoute } from './completion-route.ts';
import { engineError } from './context-overflow.ts';
import { embeddingRoute } from './embedding-route.ts';
import { sendJson } from './event-stream.ts';
import type { ModelCache } from './model-cache.ts';
import { listStored } from './model-store.ts';

/** How long a load may wait for memory that is in use. */
const loadMs = 600_000;

/** The engine's routes: OpenAI's, and `POST /engine/load {"model"}`, which loads a model and checks its prompts. */
export function createEngineRoutes(cache: ModelCache, modelsDir: string, logger: Logger): RequestListener {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    switch (`${request.method} ${request.url}`) {
      case 'GET /v1/models':
        return sendJson(response, 200, { object: 'list', data: (await listStored(modelsDir)).map(toOpenAi) });
      case 'POST /v1/chat/completions':
        return chatRoute(request, response, cache);
      case 'POST /v1/completions':
        return completionRoute(request, response, cache);
      case 'POST /v1/embeddings':
        return embeddingRoute(request, response, cache);
      case 'POST /v1/responses':
        throw new ForgeError('unimplemented', 'The embedded engine has no POST /v1/responses; use POST /v1/chat/completions, or Ollama from 0.13.3 on or an OpenAI-compatible server that has it (FORGE_INFERENCE)');
      case 'POST /engine/load': {
        const { model } = JSON.parse((await readBody(request, 64 * 1024)).toString()) as { model: string };
        await cache.with(model, AbortSignal.timeout(loadMs), async () => undefined);
        return sendJson(response, 200, { loaded: cache.names() });
      }
      default:
        throw new ForgeError('not_found', `There is no ${request.method} ${request.url} here`);
    }
  };

  return (request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!(error instanceof ForgeError)) logger.error('a request failed', { error });
      // A stream that failed has said so in an event of its own, and ends by itself.
      if (response.writableEnded) return;
      if (response.headersSent || response.destroyed) {
        response.destroy();
        return;
      }
      const { status, body, retryAfterSeconds } = engineError(error);
      sendJson(response, status, body, retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) });
    });
  };
}

function toOpenAi(model: { name: string; modifiedAt: Date }) {
  return { id: model.name, object: 'model', created: Math.floor(model.modifiedAt.getTime() / 1000), owned_by: 'ai-forge' };
}
