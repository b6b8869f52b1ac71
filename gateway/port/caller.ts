import type { IncomingMessage } from 'node:http';

const caller = Symbol('caller');

/** Written on the request itself: a WeakMap with an entry for each request costs the garbage collector more than the request does. */
interface Called {
  [caller]?: string;
}

/** Notes who sends a request, for whatever lane takes it. */
export function setCaller(request: IncomingMessage, keyId: string): void {
  (request as Called)[caller] = keyId;
}

/** Key id of who sends the request; `anonymous` while there are no keys. */
export function callerOf(request: IncomingMessage): string {
  return (request as Called)[caller] ?? 'anonymous';
}
