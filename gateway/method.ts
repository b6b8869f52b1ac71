import type { DescMethodServerStreaming, DescMethodUnary, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';

/** What every lane (REST, Connect, gRPC, gRPC-Web, WebSocket) tells a method about a call. */
export interface CallContext {
  /** Aborts when the client goes away or its deadline passes. */
  signal: AbortSignal;
  /** Also in the answer's `x-request-id`. */
  requestId: string;
  /** `Idempotency-Key` header or metadata. */
  idempotencyKey: string | undefined;
  /** Who calls: the id of the key, or `anonymous` while keys are off. Part of the idempotency hash. */
  caller: string;
}

/** Methods are plain functions that know no transport. They throw ForgeError. */
export type Method<M> = M extends DescMethodUnary<infer I, infer O>
  ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
  : M extends DescMethodServerStreaming<infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
    : never;

export type Implementation<S extends DescService> = { [K in keyof S['method']]: Method<S['method'][K]> };

/** A service with what implements it; `routes` is a list of these. */
export interface ServiceRoute<S extends DescService = DescService> {
  service: S;
  implementation: Implementation<S>;
}

export function route<S extends DescService>(service: S, implementation: Implementation<S>): ServiceRoute {
  return { service, implementation } as unknown as ServiceRoute;
}
