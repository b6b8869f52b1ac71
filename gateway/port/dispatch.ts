import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../core/logger.ts';
import { ForgeError } from '../../core/errors.ts';
import { sendError } from '../rest/answer.ts';
import type { RestLane } from '../rest/rest.ts';
import type { RpcLane } from '../rpc/rpc.ts';
import { toConnectError } from '../rpc/errors.ts';
import { refuseUnknownRpc } from '../rpc/unknown.ts';
import { requestIdFrom } from './call-context.ts';
import { allowOrigin } from './cors.ts';
import { errorStatus, shown } from './error-status.ts';
import { refuseRaw } from './http1.ts';
import { refuseOrigin } from './origin.ts';
import { PortResponse } from './response.ts';
import { parseTarget, type RequestTarget } from './target.ts';

/** Answers a request and returns true, or leaves it alone and returns false. The answer has its `x-request-id` already. */
export type RawHandler = (request: IncomingMessage, response: ServerResponse, url: RequestTarget) => boolean;
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface DispatchDeps {
  raw: readonly RawHandler[];
  rpc: RpcLane;
  rest: RestLane;
  websocket: UpgradeHandler;
  hosts: ReadonlySet<string>;
  logger: Logger;
}

/** Gives each request to its lane: raw handlers, then RPC paths, then REST, which also says what is not found. */
export function createDispatch(deps: DispatchDeps): {
  request(request: IncomingMessage, response: ServerResponse): void;
  grpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
} {
  /** What every way in asks first. */
  const admit = (headers: IncomingHttpHeaders): ForgeError | undefined => refuseOrigin(headers, deps.hosts);
  const lanes = (request: IncomingMessage, response: ServerResponse, requestId: string): void => {
    const refused = admit(request.headers);
    if (refused !== undefined) return sendError(request, response, refused);
    const url = parseTarget(request.url);
    if (url === undefined) return sendError(request, response, new ForgeError('invalid_argument', 'The request target is not a valid path'));
    if (allowOrigin(request, response)) return;
    if (deps.raw.some((handler) => handler(request, response, url))) return;
    const path = url.pathname;
    if (deps.rpc.find(path) !== undefined) return void deps.rpc.handle(request, response, path, requestId);
    if (refuseUnknownRpc(request, response, path)) return;
    void deps.rest.handle(request, response, url, requestId);
  };
  return {
    request(request, response) {
      const requestId = requestIdFrom(request.headers['x-request-id'] as string | undefined);
      if (response instanceof PortResponse) response.requestId = requestId;
      else response.setHeader('x-request-id', requestId);
      response.on('error', () => undefined);
      try {
        lanes(request, response, requestId);
      } catch (error) {
        deps.logger.error('a request failed', { requestId, error });
        sendError(request, response, shown(error, requestId).error);
      }
    },
    grpc(stream, headers) {
      const requestId = requestIdFrom(headers['x-request-id'] as string | undefined);
      const refused = admit(headers);
      deps.rpc.grpc.handle(stream, headers, requestId, refused && toConnectError(refused, requestId, undefined, deps.logger, 'gRPC'));
    },
    upgrade(request, socket, head) {
      const refused = admit(request.headers);
      if (refused !== undefined) return refuseRaw(socket, errorStatus[refused.code].http, refused.message);
      try {
        deps.websocket(request, socket, head);
      } catch (error) {
        deps.logger.error('an upgrade failed', { error });
        socket.destroy();
      }
    },
  };
}
