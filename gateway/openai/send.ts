import type { ServerResponse } from 'node:http';

/** Sends a JSON answer of the OpenAI lane. */
export function sendOpenAi(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
