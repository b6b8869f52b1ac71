import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { engineError } from './context-overflow.ts';

/** Sends one JSON answer. */
export function sendJson(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers }).end(body);
}

/** Sends each as an event, as fast as the client reads, then `[DONE]`; an error is an event too, and the last one. */
export async function sendEvents(response: ServerResponse, events: AsyncIterable<unknown>, signal: AbortSignal): Promise<void> {
  const send = async (data: string) => {
    if (!response.write(`data: ${data}\n\n`)) await once(response, 'drain', { signal });
  };
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  try {
    for await (const event of events) await send(JSON.stringify(event));
    await send('[DONE]');
  } catch (error) {
    if (!signal.aborted) await send(JSON.stringify(engineError(error).body));
    throw error;
  } finally {
    response.end();
  }
}
