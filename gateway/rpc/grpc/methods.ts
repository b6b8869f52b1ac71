import { create, isMessage, type DescMessage, type DescMethod, type DescService, type Message } from '@bufbuild/protobuf';
import { Code, ConnectError, createContextValues, createHandlerContext, createServiceImplSpec, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { IncomingHttpHeaders } from 'node:http2';
import type { Logger } from '../../../core/logger.ts';
import type { CallContext, ServiceRoute } from '../../method.ts';
import { createCallContext } from '../../port/call-context.ts';
import type { CallSignal } from '../../port/call-signal.ts';
import { toConnectError } from '../errors.ts';
import { createJsonCodec, type Codec, type JsonOptions } from './codec.ts';
import { toHeaders } from './metadata.ts';

/** One call as a method gets it. */
export interface GrpcCall {
  path: string;
  headers: IncomingHttpHeaders;
  requestId: string;
  /** Id of the key, `anonymous` without keys. */
  caller: string;
  timeoutMs: number | undefined;
  over: CallSignal;
  /** Metadata that a service of Connect's form has set. */
  responseHeader: Headers | undefined;
  responseTrailer: Headers | undefined;
}

/** A method that gRPC serves. What it throws is a ConnectError. */
export interface GrpcMethod {
  desc: DescMethod;
  json: Codec;
  /** One request, one answer. */
  unary?(request: Message, call: GrpcCall): Promise<Message>;
  /** One request, or a stream of them; any number of answers. */
  stream?(request: Message | AsyncIterable<Message>, call: GrpcCall): AsyncIterable<Message>;
  /** Aborts streams before `closing` does. */
  draining?: AbortSignal;
}

export function requestPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

const plainJson = createJsonCodec();

/** The services' plain methods. @param draining streams, which have no end of their own, end with it */
export function plainMethods(routes: readonly ServiceRoute[], logger: Logger, draining: AbortSignal): GrpcMethod[] {
  return routes.flatMap(({ service, implementation }) => service.methods.map((desc): GrpcMethod => {
    const plain = (implementation as Record<string, (request: unknown, context: CallContext) => unknown>)[desc.localName]!.bind(implementation);
    const name = `${service.typeName}/${desc.name}`;
    const context = (call: GrpcCall): CallContext => createCallContext(call.over, call.requestId, call.headers['idempotency-key'] as string | undefined, call.caller);
    const failure = (thrown: unknown, call: GrpcCall): ConnectError => toConnectError(thrown, call.requestId, call.over.signal, logger, name);
    if (desc.methodKind === 'unary') {
      return {
        desc, json: plainJson,
        async unary(request, call) {
          try {
            return normal(desc.output, await plain(request, context(call)));
          } catch (thrown) {
            throw failure(thrown, call);
          }
        },
      };
    }
    return {
      desc, json: plainJson, draining,
      async *stream(request, call) {
        try {
          for await (const answer of plain(request, context(call)) as AsyncIterable<unknown>) yield normal(desc.output, answer);
          // A feed that was cut short must not look like one that has come to its end.
          call.over.signal.throwIfAborted();
        } catch (thrown) {
          throw failure(thrown, call);
        }
      },
    };
  }));
}

/** A service in Connect's own form. */
export function connectMethods<S extends DescService>(service: S, implementation: Partial<ServiceImpl<S>>, options: { jsonOptions?: JsonOptions | undefined }, closing: AbortSignal): GrpcMethod[] {
  const json = createJsonCodec(options.jsonOptions);
  return Object.values(createServiceImplSpec(service, implementation).methods).map((spec): GrpcMethod => {
    const desc = spec.method;
    const invoke = spec.impl as (request: unknown, context: HandlerContext) => unknown;
    if (spec.kind === 'unary') {
      return { desc, json, unary: async (request, call) => normal(desc.output, await within(call, desc, closing, (context) => invoke(request, context))) };
    }
    return {
      desc, json,
      async *stream(request, call) {
        const context = handlerContext(call, desc, closing);
        try {
          if (spec.kind === 'client_streaming') yield normal(desc.output, await invoke(request, context));
          else for await (const answer of invoke(request, context) as AsyncIterable<unknown>) yield normal(desc.output, answer);
        } catch (thrown) {
          throw known(thrown);
        } finally {
          context.abort();
        }
      },
    };
  });
}

async function within(call: GrpcCall, desc: DescMethod, closing: AbortSignal, run: (context: HandlerContext) => unknown): Promise<unknown> {
  const context = handlerContext(call, desc, closing);
  try {
    return await run(context);
  } catch (thrown) {
    throw known(thrown);
  } finally {
    context.abort();
  }
}

function handlerContext(call: GrpcCall, method: DescMethod, closing: AbortSignal) {
  const context = createHandlerContext({
    service: method.parent,
    method,
    protocolName: 'grpc',
    requestMethod: 'POST',
    url: `http://localhost${call.path}`,
    timeoutMs: call.timeoutMs,
    requestSignal: call.over.signal,
    shutdownSignal: closing,
    requestHeader: toHeaders(call.headers),
    contextValues: createContextValues(),
  });
  call.responseHeader = context.responseHeader;
  call.responseTrailer = context.responseTrailer;
  return context;
}

/** What a service of Connect's form throws is meant for clients only when it says so. */
function known(thrown: unknown): ConnectError {
  return thrown instanceof ConnectError ? thrown : new ConnectError('internal error', Code.Internal, undefined, undefined, thrown);
}

function normal(desc: DescMessage, answer: unknown): Message {
  return isMessage(answer, desc) ? answer : create(desc, answer as Record<string, unknown>);
}
