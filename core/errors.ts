/**
 * The catalogue of errors: stable string codes, without transport numbers.
 * Each lane maps a code to its own status in one exhaustive table.
 */
export const errorCodes = [
  'invalid_argument', // a value is wrong; the message names the field and the remedy
  'context_length_exceeded', // the prompt is longer than the model's context; the message says by how much where that is known
  'wrong_state', // the thing exists but can't do that now
  'unauthenticated',
  'permission_denied',
  'not_found',
  'already_exists', // the id is taken
  'idempotency_conflict', // the same key with another body
  'version_conflict', // optimistic concurrency lost too often
  'too_large',
  'rate_limited',
  'still_running', // accepted, goes on; ask again later
  'cancelled', // the caller went away
  'deadline_exceeded',
  'unavailable', // a part that is needed does not answer; the message names it
  'unimplemented',
  'task_failed', // the work that was asked for was done and failed; the message says why
  'internal',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface ForgeErrorOptions {
  /** Name of the request field that is wrong, in snake_case. */
  field?: string;
  cause?: unknown;
  /** Seconds after which a try makes sense. */
  retryAfterSeconds?: number;
}

/** An error that may be shown to a client. Everything else is `internal` and shows a fixed text. */
export class ForgeError extends Error {
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: ForgeErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'ForgeError';
    this.code = code;
    this.field = options.field;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

export function isForgeError(error: unknown, code?: ErrorCode): error is ForgeError {
  return error instanceof ForgeError && (code === undefined || error.code === code);
}

/** `field: what is wrong` as every lane shows it. */
export function invalid(field: string, message: string): ForgeError {
  return new ForgeError('invalid_argument', `${field}: ${message}`, { field });
}

/** For the end of an exhaustive switch: the compiler proves that nothing gets here. */
export function assertNever(value: never, what: string): never {
  throw new ForgeError('internal', `${what} is not known: ${String(value)}`);
}
