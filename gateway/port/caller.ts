import type { IncomingMessage } from 'node:http';

const callers = new WeakMap<IncomingMessage, string>();

/** Notes who sends a request, for whatever lane takes it. */
export function setCaller(request: IncomingMessage, caller: string): void {
  callers.set(request, caller);
}

/** Key id of who sends the request; `anonymous` while there are no keys. */
export function callerOf(request: IncomingMessage): string {
  return callers.get(request) ?? 'anonymous';
}
