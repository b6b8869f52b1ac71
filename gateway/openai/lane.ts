import type { IncomingMessage, ServerResponse } from 'node:http';
import { ForgeError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { silentLogger } from '../../core/logger.ts';
import { markRoute } from '../metrics/route-mark.ts';
import { rememberLast } from '../port/remember-last.ts';
import type { RequestTarget } from '../port/target.ts';
import { openAiError } from './errors.ts';
import { createOpenAiRouter, type MatchedPath, type OpenAiRoute } from './routes.ts';
import { sendOpenAi } from './send.ts';

export interface OpenAiLane {
  /** @returns the routes of a path, undefined where it is not this lane's @throws ForgeError not_found for a path that can't be decoded */
  find(path: string): MatchedPath | undefined;
  /** @returns whether the request was for this lane; the answer then follows by itself */
  handle(request: IncomingMessage, response: ServerResponse, url: RequestTarget): boolean;
}

/** OpenAI's routes. Errors have OpenAI's `error` object and the reference's `detail` beside it. */
export function createOpenAiLane(deps: { routes: readonly OpenAiRoute[]; logger?: Logger }): OpenAiLane {
  const { logger = silentLogger } = deps;
  const match = createOpenAiRouter(deps.routes);

  const answer = async (request: IncomingMessage, response: ServerResponse, url: RequestTarget, { byVerb, values }: MatchedPath): Promise<void> => {
    const route = byVerb.get(request.method === 'HEAD' ? 'GET' : request.method!);
    if (route === undefined) return refuseVerb(response, [...byVerb.keys(), ...(byVerb.has('GET') ? ['HEAD'] : [])].join(', '));
    markRoute(response, 'openai', route.path);
    await route.handle({ request, response, values, query: () => url.searchParams });
  };

  // What is done with an alias is not OpenAI's: the REST lane has it.
  const find = rememberLast((path) => (path.startsWith('/v1/') && !path.endsWith('/rollback') ? match(path) : undefined));

  return {
    find,
    handle(request, response, url) {
      try {
        const found = find(url.pathname);
        if (found === undefined) return false;
        answer(request, response, url, found).catch((error: unknown) => fail(response, error, logger));
      } catch (error) {
        fail(response, error, logger);
      }
      return true;
    },
  };
}

function refuseVerb(response: ServerResponse, allowed: string): void {
  const message = `Only ${allowed} is allowed here`;
  response.setHeader('allow', allowed);
  sendOpenAi(response, 405, { error: { message, type: 'invalid_request_error', param: null, code: 'method_not_allowed' }, detail: message });
}

function fail(response: ServerResponse, error: unknown, logger: Logger): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (!(error instanceof ForgeError)) logger.error('a request of the OpenAI lane failed', { error });
  const { status, body, retryAfterSeconds } = openAiError(error);
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds));
  sendOpenAi(response, status, body);
}
