import { Code } from '@connectrpc/connect';
import { codeToString } from '@connectrpc/connect/protocol-connect';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ForgeError } from '../../core/errors.ts';
import { errorStatus } from '../port/error-status.ts';

/** Marks the last message of a Connect stream, which holds its error. */
const endStream = 2;

/** Whether a request speaks gRPC, gRPC-Web or Connect, by its content type or version header. */
export function speaksRpc({ headers }: IncomingMessage): boolean {
  const type = headers['content-type'];
  if (headers['connect-protocol-version'] !== undefined) return true;
  return type !== undefined && type !== 'application/json' && (isGrpc(type) || /^application\/(connect\+|proto(;|$))/.test(type));
}

function isGrpc(type: string): boolean {
  return /^application\/grpc(-web)?(-text)?(\+|;|$)/.test(type);
}

/**
 * An error before any method runs, in the protocol that the request speaks: gRPC and gRPC-Web without a body
 * (Trailers-Only), a Connect stream as its last message, Connect otherwise as error JSON with an HTTP status.
 * @param error its text has to be visible ASCII, without a percent sign
 */
export function refuseRpc(request: IncomingMessage, response: ServerResponse, error: ForgeError, code: Code = errorStatus[error.code].rpc, status: number = errorStatus[error.code].http): void {
  const type = request.headers['content-type'] ?? '';
  if (isGrpc(type)) {
    response.writeHead(200, { 'content-type': type, 'grpc-status': code, 'grpc-message': error.message });
    return void response.end();
  }
  const said = { code: codeToString(code), message: error.message };
  if (type.startsWith('application/connect+')) {
    const message = Buffer.from(JSON.stringify({ error: said }));
    const head = Buffer.alloc(5);
    head.writeUInt8(endStream);
    head.writeUInt32BE(message.length, 1);
    response.writeHead(200, { 'content-type': type });
    return void response.end(Buffer.concat([head, message]));
  }
  const body = JSON.stringify(said);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
