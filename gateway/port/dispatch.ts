import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../core/logger.ts';
import { ForgeError } from '../../core/errors.ts';
import type { Gate } from '../access/gate.ts';
import type { RequestMetrics } from '../metrics/requests.ts';
import { markRoute } from '../metrics/route-mark.ts';
import { sendError } from '../rest/answer.ts';
import type { RestLane } from '../rest/rest.ts';
import type { RpcLane } from '../rpc/rpc.ts';
import { speaksRpc } from '../rpc/refuse.ts';
import { toConnectError } from '../rpc/errors.ts';
import { refuseUnknownRpc } from '../rpc/unknown.ts';
import { requestIdFrom } from './call-context.ts';
import { setCaller } from './caller.ts';
import { allowOrigin } from './cors.ts';
import { errorStatus, shown } from './error-status.ts';
import { refuseRaw } from './http1.ts';
import { refuseOrigin, type Allowed } from './origin.ts';
import { challenge, refuse, type Lane } from './refuse.ts';
import { onClosed, PortResponse } from './response.ts';
import { parseTarget, type RequestTarget } from './target.ts';

/** Answers a request and returns true, or leaves it alone and returns false. The answer has its `x-request-id` already. */
export type RawHandler = (request: IncomingMessage, response: ServerResponse, url: RequestTarget) => boolean;
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface DispatchDeps {
  raw: readonly RawHandler[];
  rpc: RpcLane;
  rest: RestLane;
  websocket: UpgradeHandler;
  gate: Gate | undefined;
  allowed: Allowed;
  metrics?: Pick<RequestMetrics, 'watch' | 'count' | 'countCall'>;
  logger: Logger;
}

/** A reset is the client's right; lanes learn of it by `close`. */
const ignore = (): void => undefined;

/** Gives each request to its lane: raw handlers, then RPC paths, then REST, which also says what is not found. */
export function createDispatch(deps: DispatchDeps): {
  request(request: IncomingMessage, response: ServerResponse): void;
  grpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
} {
  const laneOf = (request: IncomingMessage, path: string): Lane => {
    if (deps.rpc.find(path) !== undefined || speaksRpc(request)) return 'rpc';
    return deps.gate?.isOpenAi(path) === true ? 'openai' : 'rest';
  };
  /** @returns false where the request is refused, and answered */
  const letIn = (request: IncomingMessage, response: ServerResponse, path: string): boolean => {
    if (deps.gate === undefined) return true;
    try {
      const pass = deps.gate.enter({ verb: request.method!, path, headers: request.headers, end: () => response.destroy() });
      setCaller(request, pass.caller);
      onClosed(response, pass.leave);
      return true;
    } catch (error) {
      if (!(error instanceof ForgeError)) throw error;
      refuse(laneOf(request, path), request, response, error);
      return false;
    }
  };
  /** A ticket is nobody's business after this, so it is taken out of the URL. */
  const letSocketIn = async (gate: Gate, request: IncomingMessage, socket: Duplex): Promise<void> => {
    const url = URL.parse(`http://localhost${request.url}`);
    const ticket = url?.searchParams.get('ticket') ?? undefined;
    const pass = await gate.enterSocket({ verb: 'GET', path: url?.pathname ?? '', headers: request.headers, end: () => socket.destroy() }, ticket);
    if (url !== null && ticket !== undefined) {
      url.searchParams.delete('ticket');
      request.url = `${url.pathname}${url.search}`;
    }
    setCaller(request, pass.caller);
    socket.once('close', pass.leave);
    if (socket.destroyed) pass.leave();
  };
  const lanes = (request: IncomingMessage, response: ServerResponse, requestId: string): void => {
    const url = parseTarget(request.url);
    const refused = refuseOrigin(request.headers, deps.allowed);
    if (refused !== undefined) return refuse(laneOf(request, url?.pathname ?? ''), request, response, refused);
    if (url === undefined) return sendError(request, response, new ForgeError('invalid_argument', 'The request target is not a valid path'));
    if (allowOrigin(request, response)) return;
    if (!letIn(request, response, url.pathname)) return;
    if (deps.raw.some((handler) => handler(request, response, url))) return;
    const path = url.pathname;
    if (deps.rpc.find(path) !== undefined) {
      markRoute(response, 'rpc', path);
      return void deps.rpc.handle(request, response, path, requestId);
    }
    if (refuseUnknownRpc(request, response, path)) return;
    void deps.rest.handle(request, response, url, requestId);
  };
  return {
    request(request, response) {
      const requestId = requestIdFrom(request.headers['x-request-id'] as string | undefined);
      if (response instanceof PortResponse) response.requestId = requestId;
      else response.setHeader('x-request-id', requestId);
      response.on('error', ignore);
      deps.metrics?.watch(response);
      try {
        lanes(request, response, requestId);
      } catch (error) {
        deps.logger.error('a request failed', { requestId, error });
        sendError(request, response, shown(error, requestId).error);
      }
    },
    grpc(stream, headers) {
      const requestId = requestIdFrom(headers['x-request-id'] as string | undefined);
      if (deps.metrics !== undefined) countGrpc(deps.metrics, stream, headers);
      try {
        const refused = refuseOrigin(headers, deps.allowed);
        if (refused !== undefined) throw refused;
        const pass = deps.gate?.enter({ verb: headers[':method'] ?? '', path: headers[':path'] ?? '', headers, end: () => stream.destroy() });
        if (pass !== undefined) stream.once('close', pass.leave);
        deps.rpc.grpc.handle(stream, headers, requestId, undefined, pass?.caller);
      } catch (error) {
        deps.rpc.grpc.handle(stream, headers, requestId, toConnectError(error, requestId, undefined, deps.logger, 'gRPC'));
      }
    },
    upgrade(request, socket, head) {
      const requestId = requestIdFrom(request.headers['x-request-id'] as string | undefined);
      request.headers['x-request-id'] = requestId;
      const turnAway = (thrown: unknown): void => {
        const { error, log } = shown(thrown, requestId);
        if (log) deps.logger.error('an upgrade failed', { requestId, error: thrown });
        const more: Record<string, string> = {};
        if (error.code === 'unauthenticated') more['www-authenticate'] = challenge(error);
        if (error.retryAfterSeconds !== undefined) more['retry-after'] = String(Math.ceil(error.retryAfterSeconds));
        refuseRaw(socket, errorStatus[error.code].http, error.message, requestId, more);
      };
      const refused = refuseOrigin(request.headers, deps.allowed);
      if (refused !== undefined) return turnAway(refused);
      const open = (): void => {
        if (socket.destroyed) return;
        try {
          deps.websocket(request, socket, head);
        } catch (error) {
          deps.logger.error('an upgrade failed', { requestId, error });
          socket.destroy();
        }
      };
      if (deps.gate === undefined) return open();
      letSocketIn(deps.gate, request, socket).then(open, turnAway);
    },
  };

  /** By HTTP's status, which gRPC leaves at 200; 499 where the client was gone before any answer. */
  function countGrpc(metrics: Pick<RequestMetrics, 'count' | 'countCall'>, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const begun = performance.now();
    const path = headers[':path'] ?? '';
    const known = deps.rpc.find(path) !== undefined;
    stream.once('close', () => {
      const status = stream.sentTrailers?.['grpc-status'] ?? stream.sentHeaders?.['grpc-status'];
      if (known && status !== undefined) metrics.countCall(path, Number(status));
      metrics.count(known ? 'rpc' : 'none', known ? path : 'none', headers[':method'] as string | undefined, Number(stream.sentHeaders?.[':status'] ?? 499), begun);
    });
  }
}
