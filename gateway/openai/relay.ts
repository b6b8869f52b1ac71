import type { ServerResponse } from 'node:http';
import { ForgeError } from '../../core/errors.ts';
import type { BackendResponse } from '../inference/backend.ts';
import type { CancelSignal } from '../inference/cancel.ts';
import { readAll } from '../inference/upstream-http.ts';
import { drained } from '../port/drained.ts';
import { openAiError } from './errors.ts';
import type { AnswerForm, AnswerSplicer } from './splice-answer.ts';
import { createEventSplicer, createJsonSplicer } from './splice-answer.ts';

const wholeLimitBytes = 64 * 1024;

/**
 * Sends a backend's answer on as it comes, with the model's name put back.
 * A backend that dies before its first byte is an error the caller can still answer; one that dies later ends an
 * event stream with an error event, and cuts a JSON answer off so that nobody takes it for whole.
 * @throws ForgeError unavailable, while nothing was sent
 */
export async function relay(answer: BackendResponse, response: ServerResponse, modelName: string, signal: CancelSignal, form: AnswerForm = 'plain'): Promise<void> {
  const events = (answer.headers['content-type'] ?? '').startsWith('text/event-stream');
  const splicer = events ? createEventSplicer(modelName, form) : createJsonSplicer(modelName);
  if (!events && Number(answer.headers['content-length'] ?? Infinity) <= wholeLimitBytes) return sendWhole(answer, response, splicer);
  const chunks = answer.body[Symbol.asyncIterator]();
  let next = await chunks.next();
  response.writeHead(answer.status, { 'content-type': answer.headers['content-type'] ?? 'application/json', ...(events ? { 'cache-control': 'no-cache' } : {}) });
  try {
    for (; !next.done; next = await chunks.next()) {
      const bytes = splicer.push(next.value);
      if (bytes.length > 0 && !response.write(bytes)) await drained(response);
      if (signal.aborted) throw signal.reason;
    }
    const held = splicer.end();
    if (held.length > 0) response.write(held);
    if (events && !splicer.done) throw new ForgeError('unavailable', 'The inference backend stopped in the middle of its answer');
    response.end();
  } catch (error) {
    await chunks.return?.();
    if (signal.aborted) response.destroy();
    else if (events) response.end(errorEvent(splicer, error, form));
    else response.destroy();
  }
}

/** A small answer of known length goes out in one piece, so that a backend that dies in the middle of it is an error like any other. */
async function sendWhole(answer: BackendResponse, response: ServerResponse, splicer: AnswerSplicer): Promise<void> {
  const whole = await readAll(answer.body, wholeLimitBytes, 'The inference backend');
  const spliced = splicer.push(whole);
  const rest = splicer.end();
  const body = rest.length === 0 ? Buffer.from(spliced.buffer, spliced.byteOffset, spliced.length) : Buffer.concat([spliced, rest]);
  response.writeHead(answer.status, { 'content-type': answer.headers['content-type'] ?? 'application/json', 'content-length': body.length });
  // As Latin-1, the same bytes: Node writes a text in one piece with the header.
  response.end(body.toString('latin1'), 'latin1');
}

/**
 * A line that was cut off is ended first, so that the error is an event of its own. The packages look for `error`; the
 * events of responses have a name and a type beside it.
 */
function errorEvent(splicer: AnswerSplicer, error: unknown, form: AnswerForm): string {
  const { body } = openAiError(error);
  const { message, code, param } = body.error;
  const event = form === 'plain' ? `data: ${JSON.stringify(body)}` : `event: error\ndata: ${JSON.stringify({ type: 'error', message, code, param, ...body })}`;
  return `${Buffer.from(splicer.end()).toString()}\n\n${event}\n\n`;
}
