import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ForgeError } from '../../core/errors.ts';
import { endText } from '../port/response.ts';
import { errorStatus } from '../port/error-status.ts';

/** Sends JSON text, or only its header for HEAD. Does nothing where the client is gone or the header is out. */
export function sendJson(request: IncomingMessage, response: ServerResponse, status: number, json: string): void {
  if (response.destroyed || response.headersSent) return;
  const length = Buffer.byteLength(json);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': length, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  if (request.method === 'HEAD') response.end();
  else endText(response, json, length);
}

/**
 * An error as the reference has it, `{"detail": ...}`; work that goes on is no error and says where it stands.
 * @param jobId of the request's path, where it has one
 */
export function sendError(request: IncomingMessage, response: ServerResponse, error: ForgeError, jobId?: string): void {
  if (!response.headersSent && error.retryAfterSeconds !== undefined) response.setHeader('retry-after', Math.ceil(error.retryAfterSeconds));
  const body = error.code === 'still_running' ? { job_id: jobId, status: 'running', message: error.message } : { detail: error.message };
  sendJson(request, response, errorStatus[error.code].http, JSON.stringify(body));
}
