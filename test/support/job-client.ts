import { setTimeout } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Stack } from './stack.ts';

/** A message of the feed, as far as it is looked at here. */
export interface FeedMessage {
  cursor: string;
  type: string;
  status: string;
  attempt: number;
  step?: number;
}

/** What this client was told, for comparison with what the stream holds. */
export interface Told {
  /** Job id that each Idempotency-Key was answered with. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** Every message of a job's feed, over all its connections. */
  readonly feeds: ReadonlyMap<string, readonly FeedMessage[]>;
  /** Answers that contradict each other, or that no client should get. */
  readonly oddities: readonly string[];
}

export interface JobClient {
  readonly told: Told;
  /** Submits under a key, again and again until it is acknowledged. @returns the job's id */
  submit(key: string, fields?: Record<string, unknown>): Promise<string>;
  /** Follows the job's feed from where it was, over as many connections as it takes. @returns the last status */
  follow(jobId: string, limitMs?: number): Promise<string>;
  /** `GET`s a path until it is answered. */
  get(path: string): Promise<any>;
  /** `POST`s until it is answered. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<any>;
}

/** What a client needs: where it asks, which may change from one request to the next, and when somebody listens there. */
export interface ServedStack extends Pick<Stack, 'url' | 'logs'> {
  readonly gateway: Pick<Stack['gateway'], 'ready'>;
}

/** Between two tries while the service is there and says that a part of it is not. */
const backOffMs = 50;
const defaultLimitMs = 60_000;

/** A client as the promises are made to it: it asks again when there was no answer, and believes every answer. */
export function createJobClient(stack: ServedStack): JobClient {
  const acknowledged = new Map<string, string>();
  const feeds = new Map<string, FeedMessage[]>();
  const oddities: string[] = [];

  /** @returns undefined when there was no answer, or one that says: try again */
  async function ask(path: string, init: RequestInit): Promise<any> {
    await stack.gateway.ready();
    let status: number;
    let text: string;
    try {
      const response = await fetch(`${stack.url}${path}`, { ...init, signal: AbortSignal.timeout(10_000) });
      [status, text] = [response.status, await response.text()];
    } catch {
      return undefined;
    }
    if (status === 503) return undefined;
    if (status !== 200) {
      oddities.push(`${init.method ?? 'GET'} ${path} was answered with ${status}: ${text}`);
      throw new Error(oddities.at(-1));
    }
    return JSON.parse(text);
  }

  async function askUntilAnswered(path: string, init: RequestInit = {}): Promise<any> {
    const deadline = performance.now() + defaultLimitMs;
    for (;;) {
      const answer = await ask(path, init);
      if (answer !== undefined) return answer;
      if (performance.now() > deadline) throw new Error(`no answer to ${path} for ${defaultLimitMs} ms\n${stack.logs()}`);
      await setTimeout(backOffMs);
    }
  }

  /** One connection. @returns the code it was closed with */
  function watchOnce(jobId: string, messages: FeedMessage[], deadline: number): Promise<number> {
    return new Promise((resolve) => {
      const after = messages.at(-1)?.cursor;
      const socket = new WebSocket(`${stack.url.replace('http', 'ws')}/ws/training/${jobId}${after === undefined ? '' : `?after=${after}`}`);
      const limit = globalThis.setTimeout(() => socket.terminate(), Math.max(0, deadline - performance.now()));
      socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as FeedMessage));
      socket.on('error', () => {});
      socket.once('close', (code) => {
        clearTimeout(limit);
        resolve(code);
      });
    });
  }

  return {
    told: { acknowledged, feeds, oddities },
    async submit(key, fields = {}) {
      const body = JSON.stringify({ project_name: 'toy', base_model: 'toy/base', ...fields });
      const headers = { 'content-type': 'application/json', 'idempotency-key': key };
      const { job_id: jobId } = (await askUntilAnswered('/v1/fine-tune', { method: 'POST', headers, body })) as { job_id: string };
      const before = acknowledged.get(key);
      if (before !== undefined && before !== jobId) oddities.push(`key ${key} was answered with ${before} and then with ${jobId}`);
      acknowledged.set(key, jobId);
      return jobId;
    },
    async follow(jobId, limitMs = defaultLimitMs) {
      const messages = feeds.get(jobId) ?? [];
      feeds.set(jobId, messages);
      const deadline = performance.now() + limitMs;
      for (;;) {
        await stack.gateway.ready();
        const code = await watchOnce(jobId, messages, deadline);
        if (code === 1000) return messages.at(-1)?.status ?? 'none';
        // 1006: the connection broke; 1001: the service goes down; 1013: a part is away.
        if (![1001, 1006, 1013].includes(code)) oddities.push(`the feed of ${jobId} was closed with ${code}`);
        if (performance.now() > deadline) throw new Error(`${jobId} was not done after ${limitMs} ms; its last message: ${JSON.stringify(messages.at(-1))}\n${stack.logs()}`);
        await setTimeout(backOffMs);
      }
    },
    get: (path) => askUntilAnswered(path),
    post: (path, body, headers = {}) => askUntilAnswered(path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) }),
  };
}
