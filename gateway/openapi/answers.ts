import { errorCodes } from '../../core/errors.ts';
import { errorStatus } from '../port/error-status.ts';
import { json, ref, type Answer, type Schema } from './schema.ts';

/** The lanes whose errors differ in shape. */
export type ErrorShape = 'forge' | 'openai';

/** Nobody is there any more to read that status. */
const unread = new Set([499]);
/** The port's own, beside those of the error catalogue: the body came too slowly. */
const ofThePort = [408];

/** Every status with which any route can fail. */
export const errorStatuses: readonly number[] = [...new Set([...errorCodes.map((code) => errorStatus[code].http), ...ofThePort])].filter((status) => status >= 400 && !unread.has(status)).sort((a, b) => a - b);

const meaning: Readonly<Record<number, string>> = {
  400: 'Something in the request is wrong, or not possible in this state; the message names the field and the remedy.',
  401: 'The key is missing or not valid.',
  403: 'Not allowed: a foreign `Host` or `Origin`, or a key without the right scope.',
  404: 'There is no such thing.',
  408: 'The request did not arrive in time.',
  409: 'It is there already, or was changed at the same time.',
  413: 'The body is too large.',
  429: 'Too much at once; `retry-after` says when to try again.',
  500: 'An error inside; the log has more under the request id. Or the work that was asked for failed.',
  501: 'What serves the models here cannot do that.',
  503: 'A part that is needed does not answer; the message names it.',
  504: 'It took too long.',
};

export const requestIdHeader = { 'x-request-id': { description: 'Also in the log.', schema: { type: 'string' } } };
const retryAfter = { 'retry-after': { description: 'Seconds after which a try makes sense.', schema: { type: 'integer', minimum: 0 } } };

/** Component schemas of the errors. */
export const errorSchemas: Record<string, Schema> = {
  Error: { type: 'object', properties: { detail: { type: 'string' } }, required: ['detail'] },
  OpenAiError: {
    type: 'object',
    description: 'OpenAI’s error object, with AI Forge’s `detail` beside it.',
    properties: {
      error: {
        type: 'object',
        properties: { message: { type: 'string' }, type: { type: 'string' }, param: { type: ['string', 'null'] }, code: { type: ['string', 'null'] } },
        required: ['message', 'type', 'param', 'code'],
      },
      detail: { type: 'string' },
    },
    required: ['error', 'detail'],
  },
  StillRunning: {
    type: 'object',
    description: 'The wait ended, not the work: send the same request again to wait for it.',
    properties: { job_id: { type: 'string' }, status: { const: 'running' }, message: { type: 'string' } },
    required: ['status', 'message'],
  },
};

const nameOf = (shape: ErrorShape, status: number): string => `${shape === 'forge' ? '' : 'openai-'}${status}`;

/** The components that `errorAnswers` refers to. */
export function errorComponents(): Record<string, Answer> {
  const both: ErrorShape[] = ['forge', 'openai'];
  return Object.fromEntries(both.flatMap((shape) => errorStatuses.map((status) => [nameOf(shape, status), errorAnswer(shape, status)])));
}

function errorAnswer(shape: ErrorShape, status: number): Answer {
  const description = meaning[status];
  if (description === undefined) throw new Error(`Status ${status} has no meaning yet in gateway/openapi/answers.ts`);
  // The port refuses in its own shape what never reaches a lane.
  const either = status === 400 || status === 403 || status === 408 || status === 500;
  const schema = shape === 'forge' ? ref('Error') : either ? { anyOf: [ref('OpenAiError'), ref('Error')] } : ref('OpenAiError');
  return { description, headers: { ...requestIdHeader, ...(status === 429 || status === 503 ? retryAfter : {}) }, content: json(schema) };
}

/** The `responses` of every way in which a route can fail. */
export function errorAnswers(shape: ErrorShape): Record<string, { $ref: string }> {
  return Object.fromEntries(errorStatuses.map((status) => [status, { $ref: `#/components/responses/${nameOf(shape, status)}` }]));
}

/** What the routes that wait for a task answer when `FORGE_WAIT_MS` has passed. */
export const stillRunningAnswer: Answer = { description: 'It goes on.', headers: { ...requestIdHeader, ...retryAfter }, content: json(ref('StillRunning')) };
