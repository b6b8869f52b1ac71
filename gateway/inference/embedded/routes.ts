import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { ForgeError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { openAiError } from '../../openai/errors.ts';
import { readBody } from '../../openai/request-body.ts';
import { chatRoute } from './chat-route.ts';
import type { ModelCache } from './model-cache.ts';
import { listStored } from './model-store.ts';

/** The engine's routes: OpenAI's two, and `POST /engine/load {"model"}`, which loads a model and checks its prompts. */
export function createEngineRoutes(cache: ModelCache, modelsDir: string, logger: Logger): RequestListener {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    switch (`${request.method} ${request.url}`) {
      case 'GET /v1/models':
        return sendJson(response, 200, { object: 'list', data: (await listStored(modelsDir)).map(toOpenAi) });
      case 'POST /v1/chat/completions':
        return chatRoute(request, response, cache);
      case 'POST /engine/load': {
        const { model } = JSON.parse((await readBody(request, 64 * 1024)).toString()) as { model: string };
        await cache.with(model, async () => undefined);
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
      const { status, body } = openAiError(error);
      sendJson(response, status, body);
    });
  };
}

function toOpenAi(model: { name: string; modifiedAt: Date }) {
  return { id: model.name, object: 'model', created: Math.floor(model.modifiedAt.getTime() / 1000), owned_by: 'ai-forge' };
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}
