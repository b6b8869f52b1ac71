import { randomUUID } from 'node:crypto';
import type { Msg, NatsConnection } from '@nats-io/transport-node';

/** No answer: the request may or may not have been carried out. */
export class NoAnswer extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'NoAnswer';
  }
}

/**
 * A worker's side of the NATS connection. nats.js loses what is published while it is disconnected, so requests are
 * refused at once then, and whoever waits is woken by the reconnect instead of by a timer.
 */
export interface Link {
  readonly nats: NatsConnection;
  readonly workerId: string;
  /** Aborts when the worker stops. */
  readonly stopped: AbortSignal;
  readonly connected: boolean;
  /** Counts wake-ups and reconnects: one that came while a request was under way is not missed. */
  readonly nudges: number;
  /** Counts gateways that started. */
  readonly renewals: number;
  /** Calls back on each wake-up and reconnect. @returns the way to end it */
  onNudge(listener: () => void): () => void;
  /** Resolves with the next wake-up or reconnect, after `ms`, or when a signal aborts. */
  nudged(ms: number, signal?: AbortSignal): Promise<void>;
  /** @throws NoAnswer when there is no responder, no answer in time, no connection, or the signal aborts */
  request(subject: string, data: Uint8Array, timeoutMs: number, signal?: AbortSignal): Promise<Uint8Array>;
  nudge(): void;
  /** A gateway has just started: the one that was asked may have died with the answer, so each request fails now and is made again. */
  renew(): void;
  stop(): void;
}

/** Answers come to `_INBOX.<worker>.…` whatever the connection's own prefix is: gateways answer nowhere else. */
export function createLink(nats: NatsConnection, workerId: string): Link {
  const stopping = new AbortController();
  const listeners = new Set<() => void>();
  const broken = new Set<(error: Error) => void>();
  let connected = nats.info !== undefined && !nats.isClosed();
  let nudges = 0;
  let renewals = 0;

  const nudge = (): void => {
    nudges += 1;
    for (const listener of [...listeners]) listener();
  };
  const failAll = (why: string): void => {
    for (const fail of [...broken]) fail(new NoAnswer(why));
  };
  const follow = async (): Promise<void> => {
    for await (const status of nats.status()) {
      if (status.type === 'disconnect') {
        connected = false;
        failAll('the connection to NATS broke');
      } else if (status.type === 'reconnect') {
        connected = true;
        nudge();
      }
      if (stopping.signal.aborted) return;
    }
    connected = false;
  };
  void follow();

  return {
    nats,
    workerId,
    stopped: stopping.signal,
    get connected() {
      return connected && !nats.isClosed();
    },
    get nudges() {
      return nudges;
    },
    get renewals() {
      return renewals;
    },
    onNudge(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    nudged(ms, signal) {
      return new Promise((resolve) => {
        const ends = [stopping.signal, ...(signal === undefined ? [] : [signal])];
        const done = (): void => {
          clearTimeout(timer);
          listeners.delete(done);
          for (const end of ends) end.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        listeners.add(done);
        for (const end of ends) end.addEventListener('abort', done);
        if (ends.some((end) => end.aborted)) done();
      });
    },
    async request(subject, data, timeoutMs, signal) {
      if (stopping.signal.aborted || signal?.aborted) throw new NoAnswer('stopped');
      if (!this.connected) throw new NoAnswer('NATS is away');
      const answer = nats.request(subject, data, { timeout: timeoutMs, noMux: true, reply: `_INBOX.${workerId}.${randomUUID()}` });
      const ends = [stopping.signal, ...(signal === undefined ? [] : [signal])];
      const { promise, reject } = Promise.withResolvers<never>();
      const stop = (): void => reject(new NoAnswer('stopped'));
      broken.add(reject);
      for (const end of ends) end.addEventListener('abort', stop);
      try {
        const message: Msg = await Promise.race([answer, promise]);
        return message.data;
      } catch (error) {
        // The request that lost the race fails later, unheard.
        answer.catch(() => {});
        throw error instanceof NoAnswer ? error : new NoAnswer(`no answer on ${subject}: ${(error as Error).message}`, { cause: error });
      } finally {
        broken.delete(reject);
        for (const end of ends) end.removeEventListener('abort', stop);
      }
    },
    nudge,
    renew() {
      // First the counts, so that whoever sees its request fail knows that trying again at once makes sense.
      renewals += 1;
      nudge();
      failAll('a gateway has started; the answer may be lost');
    },
    stop: () => stopping.abort(),
  };
}

/** 50 ms, doubled for each try, at most 2 s. */
export function backOffMs(tries: number): number {
  return Math.min(2_000, 50 * 2 ** Math.min(tries, 10));
}
