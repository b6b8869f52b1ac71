import { createCallContext } from '../port/call-context.ts';
import { callerOf } from '../port/caller.ts';
import type { CallContext } from '../method.ts';
import type { OpenAiCall } from './routes.ts';

/** What a method of the core is told about a call of this lane. @throws ForgeError invalid_argument (Idempotency-Key) */
export function contextOf({ request, response }: Pick<OpenAiCall, 'request' | 'response'>): CallContext {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const key = request.headers['idempotency-key'];
  return createCallContext(gone, String(response.getHeader('x-request-id') ?? ''), Array.isArray(key) ? key[0] : key, callerOf(request));
}
