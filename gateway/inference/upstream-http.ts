import { Agent } from './undici-agent.ts';
import { ForgeError } from '../../core/errors.ts';
import type { BackendResponse } from './backend.ts';
import type { CancelSignal } from './cancel.ts';
import { UpstreamAnswer } from './upstream-answer.ts';

/** Loading a large model or reading a long prompt is silent for minutes; more than this is a hang. */
const silenceMs = 600_000;
const answerLimitBytes = 16 * 1024 * 1024;

export interface UpstreamRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'DELETE';
  url: string;
  body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  headers?: Record<string, string>;
  signal: CancelSignal;
}

/** HTTP to one backend: kept connections, back-pressure, no buffering, errors that name the backend. */
export interface UpstreamHttp {
  /** @throws ForgeError unavailable, cancelled */
  send(options: UpstreamRequest): Promise<BackendResponse>;
  /** Sends and reads one JSON answer of at most 16 MiB. `value` is undefined when the answer is not JSON. */
  json(options: UpstreamRequest): Promise<{ status: number; value: unknown; text: string }>;
  close(): Promise<void>;
}

/**
 * @param remedy what to do when it does not answer, e.g. "Start it with `ollama serve`"
 * @param always headers of every request
 */
export function createUpstreamHttp(who: string, remedy: string, always: Readonly<Record<string, string>> = {}): UpstreamHttp {
  const agent = new Agent({ connections: 128, keepAliveTimeout: 30_000, headersTimeout: silenceMs, bodyTimeout: silenceMs, connect: { timeout: 5_000 } });

  const translate = (error: unknown, url: string, signal: CancelSignal, midway: boolean): ForgeError => {
    if (error instanceof ForgeError) return error;
    if (signal.aborted) return new ForgeError('cancelled', 'The request was given up', { cause: error });
    const where = new URL(url).origin;
    const text = midway ? `${who} at ${where} stopped in the middle of its answer` : `${who} does not answer at ${where}. ${remedy}`;
    return new ForgeError('unavailable', text, { cause: error, retryAfterSeconds: 2 });
  };

  const send = async (options: UpstreamRequest): Promise<BackendResponse> => {
    const { method, url, signal } = options;
    const headers: Record<string, string> = { ...always, ...options.headers };
    if (options.body !== undefined) headers['content-type'] ??= 'application/json';
    const answer = new UpstreamAnswer(signal, (error, midway) => translate(error, url, signal, midway));
    if (!signal.aborted) {
      try {
        agent.dispatch({ ...splitUrl(url), method, headers, body: (options.body ?? null) as never }, answer);
      } catch (error) {
        answer.onResponseError(undefined, error as Error);
      }
    }
    return answer.started;
  };

  return {
    send,
    async json(options) {
      const answer = await send(options);
      const text = new TextDecoder().decode(await readAll(answer.body, answerLimitBytes, who));
      return { status: answer.status, value: parsed(text), text };
    },
    close: () => agent.destroy(),
  };
}

/** Reads a body whole. @throws ForgeError unavailable when it is longer than `limitBytes` */
export async function readAll(body: AsyncIterable<Uint8Array>, limitBytes: number, who: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limitBytes) throw new ForgeError('unavailable', `${who} answered with more than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** What was asked for before: a backend has few addresses, and none with a query. */
const split = new Map<string, { origin: string; path: string }>();
const maxSplit = 100;

function splitUrl(url: string): { origin: string; path: string } {
  let parts = split.get(url);
  if (parts === undefined) {
    const { origin, pathname, search } = new URL(url);
    parts = { origin, path: pathname + search };
    if (split.size >= maxSplit) split.clear();
    split.set(url, parts);
  }
  return parts;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
