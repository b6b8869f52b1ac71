import { Code } from '@connectrpc/connect';
import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Answers a request that speaks an RPC protocol to a path that is none, in that protocol: gRPC and gRPC-Web without a body
 * (Trailers-Only), Connect as its error JSON.
 * @returns false where the request speaks none of them
 */
export function refuseUnknownRpc(request: IncomingMessage, response: ServerResponse, path: string): boolean {
  const type = request.headers['content-type'] ?? '';
  const message = `no such method: ${path.slice(1, 200)}`;
  if (/^application\/grpc(-web)?(-text)?(\+|;|$)/.test(type)) {
    response.writeHead(200, { 'content-type': type, 'grpc-status': Code.Unimplemented, 'grpc-message': message });
    response.end();
    return true;
  }
  if (request.headers['connect-protocol-version'] === undefined && !/^application\/(connect\+|proto(;|$))/.test(type)) return false;
  const body = JSON.stringify({ code: 'unimplemented', message });
  response.writeHead(404, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
  return true;
}
