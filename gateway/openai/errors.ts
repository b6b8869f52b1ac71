import { ForgeError, isForgeError, type ErrorCode } from '../../core/errors.ts';
import { errorStatus } from '../port/error-status.ts';

/** OpenAI's names for kinds of errors, where they are not simply the request's or the server's fault. */
const types: Readonly<Record<number, string>> = { 401: 'authentication_error', 403: 'permission_error', 429: 'rate_limit_error' };

/** What OpenAI's own clients look for, where the catalogue has another word. */
const codes: Partial<Record<ErrorCode, string>> = { unauthenticated: 'invalid_api_key', rate_limited: 'rate_limit_exceeded' };

function typeOf(status: number): string {
  return types[status] ?? (status >= 400 && status < 499 ? 'invalid_request_error' : 'server_error');
}

/** OpenAI's error object, with the reference's `detail` beside it. */
export interface OpenAiErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
  detail: string;
}

/** @param error a ForgeError is shown; of anything else only that it happened */
export function openAiError(error: unknown): { status: number; body: OpenAiErrorBody; retryAfterSeconds: number | undefined } {
  const shown = isForgeError(error) ? error : new ForgeError('internal', 'Internal error');
  const status = errorStatus[shown.code].http;
  const code = shown.code === 'not_found' && shown.field === 'model' ? 'model_not_found' : (codes[shown.code] ?? shown.code);
  const body = { error: { message: shown.message, type: typeOf(status), param: shown.field ?? null, code }, detail: shown.message };
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
  return { error: { param: null, code: null, type: typeOf(status), ...object, message: shown } as OpenAiErrorBody['error'], detail: shown };
}
