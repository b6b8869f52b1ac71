import { createAsyncIterable, readAllBytes, type UniversalServerResponse } from '@connectrpc/connect/protocol';

const prefix = 'parse binary: ';

/**
 * Connect calls it an internal error, hence status 500, when a unary request's binary message can't be read. That is the
 * client's fault: the same in JSON is a 400. No method of ours words an error like that.
 */
export async function blameUnreadable(answer: UniversalServerResponse): Promise<UniversalServerResponse> {
  if (answer.status !== 500 || answer.body === undefined || answer.header?.has('content-encoding') === true) return answer;
  const bytes = await readAllBytes(answer.body, Number.MAX_SAFE_INTEGER);
  const whole = { ...answer, body: createAsyncIterable([bytes]) };
  const { code, message } = JSON.parse(Buffer.from(bytes).toString()) as { code?: unknown; message?: unknown };
  if (code !== 'internal' || typeof message !== 'string' || !message.startsWith(prefix)) return whole;
  const body = Buffer.from(JSON.stringify({ code: 'invalid_argument', message }));
  const header = new Headers(answer.header);
  if (header.has('content-length')) header.set('content-length', String(body.length));
  return { ...answer, status: 400, header, body: createAsyncIterable([body]) };
}
