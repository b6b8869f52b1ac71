import type { ConnectRouter, HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { DescService } from '@bufbuild/protobuf';
import { createContextKey } from '@connectrpc/connect';
import type { Logger } from '../../core/logger.ts';
import type { CallContext, ServiceRoute } from '../method.ts';
import { createCallContext } from '../port/call-context.ts';
import { toConnectError } from './errors.ts';

/** The request's id, which the port gives and also sends back. */
export const requestIdKey = createContextKey('', { description: 'request id' });

/** Who calls, as the port has found out. */
export const callerKey = createContextKey('', { description: 'caller' });

type PlainMethod = (request: unknown, context: CallContext) => unknown;

/**
 * Mounts the services' plain methods in Connect's router.
 * @param draining aborts when the port stops: streams, which have no end of their own, end then
 */
export function mountServices(router: ConnectRouter, routes: readonly ServiceRoute[], logger: Logger, draining: AbortSignal): void {
  for (const { service, implementation } of routes) {
    const adapted: Record<string, unknown> = {};
    for (const method of service.methods) {
      const plain = (implementation as Record<string, PlainMethod>)[method.localName]?.bind(implementation);
      const name = `${service.typeName}/${method.name}`;
      if (plain === undefined) throw new Error(`${name} is not implemented`);
      adapted[method.localName] = method.methodKind === 'unary' ? unary(plain, name, logger) : stream(plain, name, logger, draining);
    }
    router.service(service, adapted as Partial<ServiceImpl<DescService>>);
  }
}

function unary(plain: PlainMethod, name: string, logger: Logger) {
  return async (request: unknown, context: HandlerContext): Promise<unknown> => {
    const requestId = context.values.get(requestIdKey);
    try {
      return await plain(request, callContext(context, context.signal, requestId));
    } catch (thrown) {
      throw toConnectError(thrown, requestId, context.signal, logger, name);
    }
  };
}

function stream(plain: PlainMethod, name: string, logger: Logger, draining: AbortSignal) {
  return async function* (request: unknown, context: HandlerContext): AsyncGenerator<unknown> {
    const requestId = context.values.get(requestIdKey);
    const signal = AbortSignal.any([context.signal, draining]);
    try {
      yield* plain(request, callContext(context, signal, requestId)) as AsyncIterable<unknown>;
      // A feed that was cut short must not look like one that has come to its end.
      signal.throwIfAborted();
    } catch (thrown) {
      throw toConnectError(thrown, requestId, signal, logger, name);
    }
  };
}

function callContext(context: HandlerContext, signal: AbortSignal, requestId: string): CallContext {
  return createCallContext({ signal }, requestId, context.requestHeader.get('idempotency-key') ?? undefined, context.values.get(callerKey));
}
