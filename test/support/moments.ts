import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { decodeEnvelope } from '../../core/store/envelope.ts';

/**
 * Moments of a job's life as they pass NATS, seen by a plain subscription: appends on their way to the stream, and
 * workers' requests and answers. Where the server dies in between, what it did not pass on is not seen.
 */
export interface Moments {
  /** How many were seen. */
  readonly seen: number;
  /** Calls back at the n-th moment from now (1 is the next), once. */
  at(n: number, act: () => void): void;
  /** Calls back at every moment. @returns the way to end it */
  each(act: (message: Msg) => void): () => void;
  /** Resolves at the first event of a task that is seen on its way to the stream and fits. */
  event(fits: (kind: Event['kind'], taskId: string) => boolean): Promise<void>;
  stop(): void;
}

/** Empty answers to asks, beats and telemetry are no moments: they come by the clock. */
function isMoment({ subject, data }: Msg): boolean {
  return data.length > 0 && !subject.includes('.beat.') && !subject.startsWith('work.ask.');
}

export async function watchMoments(connection: NatsConnection, workers = ['local', 'guardian']): Promise<Moments> {
  let seen = 0;
  const listeners = new Set<(message: Msg) => void>();
  const subjects = ['forge.>', 'work.report.>', ...workers.map((worker) => `_INBOX.${worker}.>`)];
  const subscriptions = subjects.map((subject) =>
    connection.subscribe(subject, {
      callback(error, message) {
        if (error !== null || !isMoment(message)) return;
        seen += 1;
        for (const listener of [...listeners]) listener(message);
      },
    }),
  );
  await connection.flush();
  const moments: Moments = {
    get seen() {
      return seen;
    },
    at(n, act) {
      const wanted = seen + n;
      const off = moments.each(() => {
        if (seen < wanted) return;
        off();
        act();
      });
    },
    each(act) {
      listeners.add(act);
      return () => void listeners.delete(act);
    },
    event: (fits) =>
      new Promise((resolve) => {
        const off = moments.each(({ subject, data }) => {
          if (!subject.startsWith('forge.task.')) return;
          const { id, events } = decodeEnvelope(data);
          if (!events.some(({ kind }) => fits(kind, id))) return;
          off();
          resolve();
        });
      }),
    stop() {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
  return moments;
}
