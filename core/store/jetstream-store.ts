import { DeliverPolicy, DiscardPolicy, JetStreamApiError, RetentionPolicy, StorageType, jetstream, jetstreamManager, type MsgRequest } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ForgeError } from '../errors.ts';
import { ensureStream } from './ensure-stream.ts';
import { decodeEnvelope } from './envelope.ts';
import { UnknownOutcome, VersionConflict, type EventStore, type StoredEnvelope, type Unreadable } from './event-store.ts';
import { parseSubject, subjectOf } from './subject.ts';

export const eventStream = 'FORGE';

/** Wrong expected sequence: on one server, and in a cluster. */
const conflictCodes = [10071, 10164];
const noMessageFound = 10037;
const appendTimeoutMs = 5_000;

/** File storage, nothing can be deleted or purged, nothing ages. */
const streamConfig = {
  name: eventStream,
  subjects: ['forge.>'],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  max_age: 0,
  max_msg_size: 1 << 20,
  deny_delete: true,
  deny_purge: true,
  // Reads of a single envelope go to the leader: a follower may not have it yet.
  allow_direct: false,
};

/** Events on JetStream, by optimistic concurrency on each aggregate's subject. */
export async function createJetStreamStore(connection: NatsConnection): Promise<EventStore> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  await ensureStream(manager, streamConfig);
  const client = jetstream(connection);

  return {
    async append(aggregate, id, bytes, expectedVersion) {
      const subject = subjectOf(aggregate, id);
      try {
        const ack = await client.publish(subject, bytes, { timeout: appendTimeoutMs, expect: { streamName: eventStream, lastSubjectSequence: expectedVersion } });
        return ack.seq;
      } catch (error) {
        if (error instanceof JetStreamApiError) {
          if (conflictCodes.includes(error.code)) throw new VersionConflict(subject, expectedVersion);
          throw new ForgeError('unavailable', `nats refused an append: ${error.message}`, { cause: error });
        }
        throw new UnknownOutcome(subject, error);
      }
    },

    async *readAggregate(aggregate, id, afterVersion) {
      const subject = subjectOf(aggregate, id);
      let next = afterVersion + 1;
      for (;;) {
        const message = await leader(async () => {
          try {
            // The server's API takes both fields; the client's type of it lags behind.
            return await manager.streams.getMessage(eventStream, { seq: next, next_by_subj: subject } as unknown as MsgRequest);
          } catch (error) {
            if (error instanceof JetStreamApiError && error.code === noMessageFound) return null;
            throw error;
          }
        });
        if (message === null) return;
        yield stored(message.seq, message.subject, message.data);
        next = message.seq + 1;
      }
    },

    async *subscribe(afterSequence, signal) {
      if (signal.aborted) return;
      const consumer = await client.consumers.get(eventStream, { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: afterSequence + 1 });
      // The default of 30 s can stall that long after a server restart.
      const messages = await consumer.consume({ expires: 2_000, max_messages: 5_000 });
      const stop = (): void => messages.stop();
      signal.addEventListener('abort', stop, { once: true });
      // It may have been aborted while the consumer was made, which no listener hears of.
      if (signal.aborted) stop();
      try {
        for await (const message of messages) yield stored(message.seq, message.subject, message.data);
      } finally {
        signal.removeEventListener('abort', stop);
        await messages.close();
      }
    },

    async lastSequence() {
      return leader(async () => (await manager.streams.info(eventStream)).state.last_seq);
    },
  };
}

function stored(sequence: number, subject: string, data: Uint8Array): StoredEnvelope | Unreadable {
  // The client reuses its buffers; an envelope outlives the message.
  const bytes = Uint8Array.from(data);
  try {
    return { sequence, ...parseSubject(subject), bytes, envelope: decodeEnvelope(bytes) };
  } catch (error) {
    return { sequence, subject, bytes, problem: (error as Error).message };
  }
}

async function leader<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw new ForgeError('unavailable', 'nats does not answer: the event stream can’t be read', { cause: error });
  }
}
