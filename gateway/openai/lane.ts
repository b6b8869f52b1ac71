import type { IncomingMessage, ServerResponse } from 'node:http';
import { ForgeError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { silentLogger } from '../../core/logger.ts';
import type { InferenceBackend } from '../inference/backend.ts';
import { modelLost } from '../inference/openai-answer.ts';
import { readAll } from '../inference/upstream-http.ts';
import { parseChatRequest } from './chat-request.ts';
import { openAiError, withDetail } from './errors.ts';
import type { ModelDirectory } from './model-directory.ts';
import { openAiModel, openAiModels, resolveModel } from './models.ts';
import { relay } from './relay.ts';
import { readBody } from './request-body.ts';
import { spliceRequestModel } from './splice-request.ts';

export interface OpenAiLane {
  /** @returns whether the request was for this lane; the answer then follows by itself */
  handle(request: IncomingMessage, response: ServerResponse, url: URL): boolean;
}

/**
 * OpenAI's chat and model routes as a proxy: bytes pass through, only the value of `model` is changed.
 * Errors have OpenAI's `error` object and the reference's `detail` beside it.
 */
export function createOpenAiLane(deps: { backend: () => InferenceBackend; models: ModelDirectory; logger?: Logger }): OpenAiLane {
  const { models, logger = silentLogger } = deps;

  const chat = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const body = await readBody(request);
    const head = parseChatRequest(body);
    const model = resolveModel(models, head.model);
    const answer = await deps.backend().chat(spliceRequestModel(body, model.backendName), gone.signal);
    if (answer.status >= 400) sendBackendError(response, answer.status, await readAll(answer.body, 1024 * 1024, 'The inference backend'), model);
    else await relay(answer, response, model.name, gone.signal);
  };

  const routes = (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> | undefined => {
    if (path === '/v1/chat/completions') return allow(request, 'POST', () => chat(request, response));
    if (path === '/v1/models') return allow(request, 'GET', async () => sendJson(response, 200, openAiModels(models)));
    // What is done with an alias is not OpenAI's: the REST lane has it.
    if (path.startsWith('/v1/models/') && !path.endsWith('/rollback')) return allow(request, 'GET', async () => sendJson(response, 200, openAiModel(models, decode(path.slice('/v1/models/'.length)))));
    return undefined;
  };

  return {
    handle(request, response, url) {
      const answered = routes(request, response, url.pathname);
      answered?.catch((error: unknown) => fail(response, error, logger));
      return answered !== undefined;
    },
  };
}

async function allow(request: IncomingMessage, method: string, then: () => Promise<void>): Promise<void> {
  if (request.method !== method) throw new MethodNotAllowed(method);
  await then();
}

class MethodNotAllowed extends Error {
  readonly allowed: string;
  constructor(allowed: string) {
    super(`Only ${allowed} is allowed here`);
    this.allowed = allowed;
  }
}

function fail(response: ServerResponse, error: unknown, logger: Logger): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (error instanceof MethodNotAllowed) {
    response.setHeader('allow', error.allowed);
    sendJson(response, 405, { error: { message: error.message, type: 'invalid_request_error', param: null, code: 'method_not_allowed' }, detail: error.message });
    return;
  }
  if (!(error instanceof ForgeError)) logger.error('a chat request failed', { error });
  const { status, body, retryAfterSeconds } = openAiError(error);
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds));
  sendJson(response, status, body);
}

function sendBackendError(response: ServerResponse, status: number, bytes: Uint8Array, model: { name: string; backendName: string }): void {
  if (status === 404) throw modelLost(model);
  const text = new TextDecoder().decode(bytes);
  sendJson(response, status, withDetail(status, text.replaceAll(model.backendName, model.name)));
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ForgeError('not_found', `model: "${part}" not found`, { field: 'model' });
  }
}
