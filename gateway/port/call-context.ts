import { randomUUID } from 'node:crypto';
import { invalid } from '../../core/errors.ts';
import type { CallContext } from '../method.ts';

/** The caller's own request id where it is harmless, else a new one. */
export function requestIdFrom(header: string | undefined): string {
  return header !== undefined && /^[A-Za-z0-9._-]{1,128}$/.test(header) ? header : randomUUID();
}

/**
 * @param over whose `signal` the method gets; it is asked for only when the method does
 * @param idempotencyKey value of the `Idempotency-Key` header or metadata
 * @param caller id of the key, `anonymous` without keys
 * @throws ForgeError invalid_argument where the key is not 1 to 255 visible ASCII characters
 */
export function createCallContext(over: { readonly signal: AbortSignal }, requestId: string, idempotencyKey: string | undefined, caller: string): CallContext {
  if (idempotencyKey !== undefined && !/^[\x20-\x7e]{1,255}$/.test(idempotencyKey)) {
    throw invalid('Idempotency-Key', 'must be 1 to 255 visible ASCII characters');
  }
  return new Call(over, requestId, idempotencyKey, caller);
}

class Call implements CallContext {
  readonly #over: { readonly signal: AbortSignal };
  readonly requestId: string;
  readonly idempotencyKey: string | undefined;
  readonly caller: string;

  constructor(over: { readonly signal: AbortSignal }, requestId: string, idempotencyKey: string | undefined, caller: string) {
    this.#over = over;
    this.requestId = requestId;
    this.idempotencyKey = idempotencyKey;
    this.caller = caller;
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }
}
