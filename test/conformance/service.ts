import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { anyPack, type Any } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import { setTimeout as delay } from 'node:timers/promises';
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  ConformancePayload_RequestInfoSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  type BidiStreamRequest,
  type ConformancePayload_RequestInfo,
  type ConformanceService,
  type Error as ConformanceError,
  type Header,
  type StreamResponseDefinition,
  type UnaryResponseDefinition,
} from './gen/connectrpc/conformance/v1/service_pb.ts';

/** The reference service of Connect's conformance suite, as its service.proto describes it. */
export const conformanceService: Partial<ServiceImpl<typeof ConformanceService>> = {
  async unary(request, context) {
    return { payload: await unaryPayload(request.responseDefinition, [pack(UnaryRequestSchema, request)], context) };
  },
  async idempotentUnary(request, context) {
    return { payload: await unaryPayload(request.responseDefinition, [pack(IdempotentUnaryRequestSchema, request)], context) };
  },
  async clientStream(requests, context) {
    let definition: UnaryResponseDefinition | undefined;
    const seen: Any[] = [];
    for await (const request of requests) {
      if (seen.length === 0) definition = request.responseDefinition;
      seen.push(pack(ClientStreamRequestSchema, request));
    }
    return { payload: await unaryPayload(definition, seen, context) };
  },
  async *serverStream(request, context) {
    const definition = request.responseDefinition;
    if (definition === undefined) return;
    setHeaders(definition, context);
    yield* remaining(definition, 0, requestInfo([pack(ServerStreamRequestSchema, request)], context));
  },
  async *bidiStream(requests, context) {
    yield* bidi(requests, context);
  },
};

/** Full duplex: an answer to each request; half duplex: all answers after all requests. */
async function* bidi(requests: AsyncIterable<BidiStreamRequest>, context: HandlerContext) {
  let definition: StreamResponseDefinition | undefined;
  let fullDuplex = false;
  let first = true;
  let sent = 0;
  let seen: Any[] = [];
  for await (const request of requests) {
    if (first) {
      definition = request.responseDefinition;
      fullDuplex = request.fullDuplex;
      if (definition !== undefined) setHeaders(definition, context);
      first = false;
    }
    seen.push(pack(BidiStreamRequestSchema, request));
    if (!fullDuplex) continue;
    if (sent >= (definition?.responseData.length ?? 0)) break;
    await delay(definition!.responseDelayMs);
    yield { payload: { data: definition!.responseData[sent]!, requestInfo: sent === 0 ? requestInfo(seen, context) : { requests: seen } } };
    sent++;
    seen = [];
  }
  if (definition !== undefined) yield* remaining(definition, sent, requestInfo(seen, context));
}

/** The answers from the given one on, the first with what was requested, then the error if there is one. */
async function* remaining(definition: StreamResponseDefinition, from: number, info: ConformancePayload_RequestInfo) {
  for (let n = from; n < definition.responseData.length; n++) {
    await delay(definition.responseDelayMs);
    yield { payload: { data: definition.responseData[n]!, ...(n === 0 && { requestInfo: info }) } };
  }
  const answered = from > 0 || definition.responseData.length > 0;
  if (definition.error !== undefined) throw connectError(definition.error, answered ? undefined : info);
}

async function unaryPayload(definition: UnaryResponseDefinition | undefined, requests: Any[], context: HandlerContext) {
  const info = requestInfo(requests, context);
  if (definition === undefined) return { requestInfo: info };
  setHeaders(definition, context);
  await delay(definition.responseDelayMs);
  if (definition.response.case === 'error') throw connectError(definition.response.value, info);
  return { requestInfo: info, ...(definition.response.case === 'responseData' && { data: definition.response.value }) };
}

function setHeaders(definition: { responseHeaders: Header[]; responseTrailers: Header[] }, context: HandlerContext): void {
  for (const { name, value } of definition.responseHeaders) for (const each of value) context.responseHeader.append(name, each);
  for (const { name, value } of definition.responseTrailers) for (const each of value) context.responseTrailer.append(name, each);
}

function connectError(error: ConformanceError, info: ConformancePayload_RequestInfo | undefined): ConnectError {
  // The codes of the suite have the numbers of Connect's.
  const connect = new ConnectError(error.message ?? '', error.code as number as Code);
  connect.details = error.details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value }));
  if (info !== undefined) connect.details.push({ desc: ConformancePayload_RequestInfoSchema, value: info });
  return connect;
}

function requestInfo(requests: Any[], context: HandlerContext): ConformancePayload_RequestInfo {
  const timeoutMs = context.timeoutMs();
  const query = new URL(context.url).searchParams;
  return create(ConformancePayload_RequestInfoSchema, {
    requests,
    requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
    ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.trunc(timeoutMs)) }),
    ...(context.requestMethod === 'GET' && { connectGetInfo: { queryParams: [...query].map(([name, value]) => ({ name, value: [value] })) } }),
  });
}

function pack<D extends DescMessage>(desc: D, message: MessageShape<D>): Any {
  return anyPack(desc, message);
}
