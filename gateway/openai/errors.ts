import type { ErrorCode } from '../../core/errors.ts';
import { ForgeError, isForgeError } from '../../core/errors.ts';

/** HTTP status and OpenAI's `error.type` for each code of the catalogue. */
const table: Record<ErrorCode, readonly [status: number, type: string]> = {
  invalid_argument: [400, 'invalid_request_error'],
  wrong_state: [400, 'invalid_request_error'],
  unauthenticated: [401, 'authentication_error'],
  permission_denied: [403, 'permission_error'],
  not_found: [404, 'invalid_request_error'],
  already_exists: [409, 'invalid_request_error'],
  idempotency_conflict: [409, 'invalid_request_error'],
  version_conflict: [409, 'invalid_request_error'],
  too_large: [413, 'invalid_request_error'],
  rate_limited: [429, 'rate_limit_error'],
  still_running: [202, 'server_error'],
  cancelled: [499, 'server_error'],
  deadline_exceeded: [504, 'server_error'],
  unavailable: [503, 'server_error'],
  unimplemented: [501, 'server_error'],
  task_failed: [500, 'server_error'],
  internal: [500, 'server_error'],
};

/** OpenAI's error object, with the reference's `detail` beside it. */
export interface OpenAiErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
  detail: string;
}

/** @param error a ForgeError is shown; of anything else only that it happened */
export function openAiError(error: unknown): { status: number; body: OpenAiErrorBody; retryAfterSeconds: number | undefined } {
  const shown = isForgeError(error) ? error : new ForgeError('internal', 'Internal error');
  const [status, type] = table[shown.code];
  // What OpenAI's own clients look for when a model is not there.
  const code = shown.code === 'not_found' && shown.field === 'model' ? 'model_not_found' : shown.code;
  const body = { error: { message: shown.message, type, param: shown.field ?? null, code }, detail: shown.message };
  return { status, body, retryAfterSeconds: shown.retryAfterSeconds };
}

/** Adds `detail` to an error answer of a backend, keeping what the backend said. */
export function withDetail(status: number, text: string): OpenAiErrorBody {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    said = undefined;
  }
  const given = (said as { error?: unknown } | undefined)?.error;
  const object = typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {};
  const message = [object['message'], given, (said as { detail?: unknown } | undefined)?.detail].find((m) => typeof m === 'string') as string | undefined;
  const shown = message ?? `The inference backend answered with status ${status}`;
  const type = status < 500 ? 'invalid_request_error' : 'server_error';
  return { error: { param: null, code: null, type, ...object, message: shown } as OpenAiErrorBody['error'], detail: shown };
}
