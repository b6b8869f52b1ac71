import type { DescService } from '@bufbuild/protobuf';
import { Code, ConnectError, createConnectRouter, createContextValues, type ConnectRouter } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../../core/logger.ts';
import type { ServiceRoute } from '../method.ts';
import { callerOf } from '../port/caller.ts';
import { compressions } from './compression.ts';
import { createGrpc, type GrpcLane } from './grpc/grpc.ts';
import { connectMethods, plainMethods, type GrpcMethod } from './grpc/methods.ts';
import { addHealth, type HealthProbe } from './health.ts';
import { addReflection } from './reflection.ts';
import { callerKey, mountServices, requestIdKey } from './services.ts';
import { blameUnreadable } from './unreadable.ts';

export interface RpcLane {
  /** gRPC proper, which `handle` does not answer. */
  grpc: GrpcLane;
  /** Whether a path is an RPC, and whether its request is a stream, which may take as long as it likes. */
  find(path: string): { streamsRequest: boolean } | undefined;
  /** Answers a request for a path that `find` knows. Never throws. */
  handle(request: IncomingMessage, response: ServerResponse, path: string, requestId: string): Promise<void>;
}

export interface RpcDeps {
  routes: readonly ServiceRoute[];
  health: HealthProbe;
  /** More services, in Connect's own form. */
  mount?: ((router: ConnectRouter) => void) | undefined;
  bodyBytes: number;
  logger: Logger;
  /** Aborts when the port begins to stop: streams end. */
  draining: AbortSignal;
  /** Aborts at the port's deadline: everything ends. */
  closing: AbortSignal;
}

/** Connect and gRPC-Web over HTTP/1.1 and HTTP/2, and gRPC, with reflection and health. */
export function createRpc(deps: RpcDeps): RpcLane {
  const router = createConnectRouter({
    grpc: false,
    acceptCompression: compressions,
    readMaxBytes: deps.bodyBytes,
    shutdownSignal: deps.closing,
  });
  mountServices(router, deps.routes, deps.logger, deps.draining);
  const methods = plainMethods(deps.routes, deps.logger, deps.draining);
  const both = mountingBoth(router, methods, deps.closing);
  addHealth(both, deps.routes.map((route) => route.service), deps.health, deps.draining);
  deps.mount?.(both);
  addReflection(both, router.handlers.map((handler) => handler.service), deps.draining);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  return {
    grpc: createGrpc({ methods, maxMessageBytes: deps.bodyBytes, logger: deps.logger, closing: deps.closing }),
    find(path) {
      const kind = handlers.get(path)?.method.methodKind;
      return kind && { streamsRequest: kind === 'client_streaming' || kind === 'bidi_streaming' };
    },
    async handle(request, response, path, requestId) {
      const values = createContextValues().set(requestIdKey, requestId).set(callerKey, callerOf(request));
      try {
        // A handler that has read enough must not destroy the request: the port still drops what is left of its body.
        const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
        const answer = await handlers.get(path)!({ ...universalRequestFromNodeRequest(request, response, undefined, values), body });
        await universalResponseToNodeResponse(await blameUnreadable(answer), response);
      } catch (error) {
        const { code } = ConnectError.from(error);
        // The client went away, which is its right.
        if (code === Code.Aborted || code === Code.Canceled || response.destroyed) return;
        deps.logger.warn('an answer could not be sent', { requestId, path, error });
        response.destroy();
      }
    },
  };
}

/** A router that gives services of Connect's form to gRPC as well. */
function mountingBoth(router: ConnectRouter, methods: GrpcMethod[], closing: AbortSignal): ConnectRouter {
  const both: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      router.service(service, implementation, options);
      methods.push(...connectMethods<DescService>(service, implementation, { jsonOptions: options?.jsonOptions }, closing));
      return both;
    },
    rpc() {
      throw new Error('only whole services are mounted');
    },
  };
  return both;
}
