import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { ForgeError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { errorStatus, shown } from '../port/error-status.ts';

/**
 * What a Connect, gRPC or gRPC-Web client sees of anything thrown. A detail (google.protobuf.Struct, which every
 * client can read) holds the catalogue's code, and the field and the waiting time where they are known.
 */
export function toConnectError(thrown: unknown, requestId: string, signal: AbortSignal | undefined, logger: Logger, method: string): ConnectError {
  // The framework's own, such as a deadline that passed.
  if (thrown instanceof ConnectError) return thrown;
  if (signal?.aborted === true && !(signal.reason instanceof ForgeError)) return ConnectError.from(signal.reason, Code.Canceled);
  const { error, log } = shown(signal?.aborted === true ? signal.reason : thrown, requestId);
  if (log) logger.error('an RPC failed', { requestId, method, error: thrown });
  return new ConnectError(error.message, errorStatus[error.code].rpc, undefined, [{ desc: StructSchema, value: fromJson(StructSchema, detail(error)) }]);
}

function detail(error: ForgeError): JsonObject {
  return {
    code: error.code,
    ...(error.field !== undefined && { field: error.field }),
    ...(error.retryAfterSeconds !== undefined && { retry_after_seconds: error.retryAfterSeconds }),
  };
}
