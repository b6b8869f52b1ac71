import { setTimeout } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** An answer of the service that is an error, or no answer. */
export class ApiError extends Error {}

// Deploying and validating take as long as they take; the service itself says after 10 minutes where to look.
const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connectTimeout: 5_000 });

export interface Api {
  url: string;
  get<T>(path: string): Promise<T>;
  /** Repeats a call that was accepted and goes on (202) until it has an outcome. */
  post<T>(path: string, body?: unknown, headers?: Record<string, string>): Promise<T>;
  /** The answer's bytes as they come. */
  stream(path: string, body: unknown): Promise<AsyncIterable<Uint8Array>>;
}

/** A client of the service's public HTTP API. */
export function createApi(url: string, signal: AbortSignal): Api {
  const send = async (method: 'GET' | 'POST', path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await request(new URL(path, url), {
      method, signal, dispatcher: agent,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (response.statusCode >= 400) {
      const text = await response.body.text();
      throw new ApiError(`${method} ${path}: ${response.statusCode}: ${detailOf(text)}`);
    }
    return response;
  };
  return {
    url,
    get: async <T>(path: string) => (await send('GET', path)).body.json() as Promise<T>,
    async post<T>(path: string, body?: unknown, headers?: Record<string, string>) {
      for (;;) {
        const response = await send('POST', path, body, headers);
        const answer = await response.body.json();
        if (response.statusCode !== 202) return answer as T;
        await setTimeout(1_000, undefined, { signal });
      }
    },
    stream: async (path, body) => (await send('POST', path, body)).body,
  };
}

function detailOf(text: string): string {
  try {
    const body = JSON.parse(text) as { detail?: unknown };
    if (typeof body.detail === 'string') return body.detail;
  } catch { /* not ours */ }
  return text.slice(0, 500);
}
