import { Code } from '@connectrpc/connect';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ForgeError } from '../../core/errors.ts';
import { refuseRpc, speaksRpc } from './refuse.ts';

/**
 * Answers a request that speaks an RPC protocol to a path that is none, in that protocol.
 * @returns false where the request speaks none of them
 */
export function refuseUnknownRpc(request: IncomingMessage, response: ServerResponse, path: string): boolean {
  if (!speaksRpc(request)) return false;
  refuseRpc(request, response, new ForgeError('unimplemented', `no such method: ${path.slice(1, 200)}`), Code.Unimplemented, 404);
  return true;
}
