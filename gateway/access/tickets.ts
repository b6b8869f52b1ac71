import { randomBytes } from 'node:crypto';
import { DiscardPolicy, RetentionPolicy, StorageType, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ForgeError } from '../../core/errors.ts';
import { ensureStream } from '../../core/store/ensure-stream.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { isConflict, isFull, isNoMessage } from '../../core/store/jetstream-errors.ts';

/** Each opens one WebSocket, soon. Their stream is in memory and ages out: nothing is true that rests on it. */
export interface Tickets {
  /** @returns the ticket, and Unix milliseconds @throws ForgeError unavailable, rate_limited */
  issue(keyId: string): Promise<{ ticket: string; expiresAt: number }>;
  /** @returns the key that it was made for @throws ForgeError unauthenticated for one that is unknown, old or used; unavailable */
  redeem(ticket: string): Promise<string>;
}

export const ticketMs = 30_000;
const streamName = 'TICKETS';
const maxTickets = 100_000;

export async function createTickets(connection: NatsConnection, { now = Date.now, replicas = 1 }: { now?: () => number; replicas?: number } = {}): Promise<Tickets> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  // Kept in memory alone, so a restart of NATS has lost it.
  const ensure = (): Promise<void> => ensureStream(manager, {
    name: streamName,
    subjects: ['ticket.*'],
    num_replicas: replicas,
    storage: StorageType.Memory,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    // Twice as long as a ticket lives: that it was used is known until nobody would take it any more.
    max_age: 2 * ticketMs * 1e6,
    max_msgs: maxTickets,
    max_msg_size: 256,
    allow_direct: false,
  });
  await ensure();
  const client = jetstream(connection);
  const subjectOf = (ticket: string): string => `ticket.${sha256Hex(ticket)}`;
  const refuse = (): ForgeError => new ForgeError('unauthenticated', 'ticket: it is unknown, older than 30 s, or was used; get a new one by POST /v1/tickets', { field: 'ticket' });
  const away = (error: unknown): ForgeError => new ForgeError('unavailable', 'nats does not answer: tickets can’t be read', { cause: error, retryAfterSeconds: 2 });

  return {
    async issue(keyId) {
      const ticket = randomBytes(32).toString('base64url');
      const expiresAt = now() + ticketMs;
      const publish = () => client.publish(subjectOf(ticket), JSON.stringify({ keyId, expiresAt }), { expect: { streamName, lastSubjectSequence: 0 } });
      try {
        await publish().catch(async (error: unknown) => {
          if (isFull(error)) throw error;
          await ensure();
          return publish();
        });
      } catch (error) {
        if (isFull(error)) throw new ForgeError('rate_limited', 'too many tickets are out; try again in a minute', { retryAfterSeconds: 60 });
        throw away(error);
      }
      return { ticket, expiresAt };
    },
    async redeem(ticket) {
      if (!/^[A-Za-z0-9_-]{43}$/.test(ticket)) throw refuse();
      const subject = subjectOf(ticket);
      let stored;
      try {
        stored = await manager.streams.getMessage(streamName, { last_by_subj: subject });
      } catch (error) {
        if (isNoMessage(error)) throw refuse();
        throw away(error);
      }
      if (stored === null || stored.data.length === 0) throw refuse();
      const { keyId, expiresAt } = JSON.parse(new TextDecoder().decode(stored.data)) as { keyId: string; expiresAt: number };
      if (now() > expiresAt) throw refuse();
      try {
        // Of all gateways that try at this version, one succeeds.
        await client.publish(subject, '', { expect: { streamName, lastSubjectSequence: stored.seq } });
      } catch (error) {
        if (isConflict(error)) throw refuse();
        throw away(error);
      }
      return keyId;
    },
  };
}
