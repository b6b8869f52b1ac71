import { Code } from '@connectrpc/connect';
import { ForgeError, type ErrorCode } from '../../core/errors.ts';

interface Status {
  /** For Connect, gRPC and gRPC-Web. */
  rpc: Code;
  /** For REST. */
  http: number;
}

/**
 * The one table from the error catalogue to the lanes' statuses. The compiler wants each code in it.
 * Where REST differs from Connect's own mapping, HTTP has the more exact word (202, 413).
 */
export const errorStatus: Readonly<Record<ErrorCode, Status>> = Object.freeze({
  invalid_argument: { rpc: Code.InvalidArgument, http: 400 },
  context_length_exceeded: { rpc: Code.InvalidArgument, http: 400 },
  wrong_state: { rpc: Code.FailedPrecondition, http: 400 },
  unauthenticated: { rpc: Code.Unauthenticated, http: 401 },
  permission_denied: { rpc: Code.PermissionDenied, http: 403 },
  not_found: { rpc: Code.NotFound, http: 404 },
  already_exists: { rpc: Code.AlreadyExists, http: 409 },
  idempotency_conflict: { rpc: Code.AlreadyExists, http: 409 },
  version_conflict: { rpc: Code.Aborted, http: 409 },
  too_large: { rpc: Code.ResourceExhausted, http: 413 },
  rate_limited: { rpc: Code.ResourceExhausted, http: 429 },
  // The wait ended, not the work.
  still_running: { rpc: Code.DeadlineExceeded, http: 202 },
  cancelled: { rpc: Code.Canceled, http: 499 },
  deadline_exceeded: { rpc: Code.DeadlineExceeded, http: 504 },
  unavailable: { rpc: Code.Unavailable, http: 503 },
  unimplemented: { rpc: Code.Unimplemented, http: 501 },
  task_failed: { rpc: Code.Aborted, http: 500 },
  internal: { rpc: Code.Internal, http: 500 },
});

/**
 * What a client may see of anything thrown. Unknown errors become a fixed text with the request id.
 * @param gone whether the client went away: then that is the cause
 * @returns the error to show, and whether the original has to go to the log
 */
export function shown(thrown: unknown, requestId: string, gone = false): { error: ForgeError; log: boolean } {
  if (thrown instanceof ForgeError && thrown.code !== 'internal') return { error: thrown, log: false };
  if (gone) return { error: new ForgeError('cancelled', 'The client went away', { cause: thrown }), log: false };
  return { error: new ForgeError('internal', `Internal error; the log has more under request ${requestId}`, { cause: thrown }), log: true };
}
