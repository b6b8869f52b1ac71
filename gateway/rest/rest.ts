import { create, type DescMethodUnary, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ForgeError, invalid } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { ServiceRoute } from '../method.ts';
import { markRoute } from '../metrics/route-mark.ts';
import { createCallContext } from '../port/call-context.ts';
import { callerOf } from '../port/caller.ts';
import { CallSignal } from '../port/call-signal.ts';
import { shown } from '../port/error-status.ts';
import { onClosed } from '../port/response.ts';
import type { RequestTarget } from '../port/target.ts';
import { sendError, sendJson } from './answer.ts';
import { readJsonBody } from './body.ts';
import { decodeInto } from './decode.ts';
import { encodeMessage } from './encode.ts';
import { decodeQuery } from './query.ts';
import { createRouter, type Match } from './router.ts';
import { compileRules, type RestRoute } from './rules.ts';

export interface RestLane {
  /** Answers a request, whatever it is: unknown paths and verbs too. Never throws. */
  handle(request: IncomingMessage, response: ServerResponse, url: RequestTarget, requestId: string): Promise<void>;
}

const routers = new WeakMap<readonly ServiceRoute[], ReturnType<typeof createRouter>>();

/** The router of these services: the same one for whoever asks for the same list. @throws Error as compileRules and createRouter */
export function restRouter(routes: readonly ServiceRoute[]): ReturnType<typeof createRouter> {
  let router = routers.get(routes);
  if (router === undefined) routers.set(routes, (router = createRouter(compileRules(routes))));
  return router;
}

/** The REST routes of the services, by their google.api.http annotations. */
export function createRest(deps: { routes: readonly ServiceRoute[]; bodyBytes: number; logger: Logger; closing: AbortSignal }): RestLane {
  const router = restRouter(deps.routes);
  return {
    async handle(request, response, url, requestId) {
      const over = new CallSignal([deps.closing]);
      let gone = false;
      onClosed(response, () => {
        if (response.writableFinished) return over.ended();
        gone = true;
        over.abort(new ForgeError('cancelled', 'The client went away'));
      });
      let jobId: string | undefined;
      try {
        const match = router.match(url.pathname);
        if (match === undefined) throw new ForgeError('not_found', `No such route: ${url.pathname.slice(0, 200)}`);
        const route = match.byVerb.get(request.method === 'HEAD' ? 'GET' : request.method!);
        if (route === undefined) return refuseVerb(request, response, match);
        markRoute(response, 'rest', route.path);
        const read = readRequest(route, match.values, request, url, deps.bodyBytes);
        const message = read instanceof Promise ? await read : read;
        jobId = (message as { jobId?: string }).jobId;
        const context = createCallContext(over, requestId, header(request, 'idempotency-key'), callerOf(request));
        const result = await route.implementation(message, context);
        sendJson(request, response, 200, encodeMessage(route.method.output, result as MessageInitShape<DescMethodUnary['output']>));
      } catch (thrown) {
        const cause = deps.closing.aborted && !gone ? new ForgeError('unavailable', 'The service is going down', { cause: thrown }) : thrown;
        const { error, log } = shown(cause, requestId, gone);
        if (log) deps.logger.error('a REST request failed', { requestId, method: request.method, path: url.pathname, error: thrown });
        sendError(request, response, error, jobId);
      }
    },
  };
}

/** @returns a promise only where there is a body to wait for */
function readRequest(route: RestRoute, values: readonly string[], request: IncomingMessage, url: RequestTarget, bodyBytes: number): Message | Promise<Message> {
  const message = create(route.method.input);
  const names = route.pathFields;
  for (let n = 0; n < names.length; n++) names[n]!.set(message, values[n]!);
  if (route.verb === 'GET' && url.search.length <= 1) return message;
  return readMore(route, message, request, url, bodyBytes);
}

async function readMore(route: RestRoute, message: Message, request: IncomingMessage, url: RequestTarget, bodyBytes: number): Promise<Message> {
  const target = reflect(route.method.input, message);
  const taken = new Set(route.pathFields.map(({ name }) => name));
  if (!route.body) decodeQuery(target, url.searchParams, taken);
  else if (url.search.length > 1) throw invalid('query', 'this route takes its fields in the JSON body');
  if (route.verb === 'GET') return message;
  const body = await readJsonBody(request, bodyBytes);
  decodeInto(target, body, '', route.body ? target.fields.filter((field) => !taken.has(field.name)) : []);
  return message;
}

function refuseVerb(request: IncomingMessage, response: ServerResponse, match: Match): void {
  const verbs = [...match.byVerb.keys(), ...(match.byVerb.has('GET') ? ['HEAD'] : []), 'OPTIONS'].sort();
  response.setHeader('allow', verbs.join(', '));
  if (request.method !== 'OPTIONS') return sendJson(request, response, 405, JSON.stringify({ detail: `${request.method} is not served here; allowed: ${verbs.join(', ')}` }));
  response.statusCode = 204;
  response.end();
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}
