import { DeliverPolicy, DiscardPolicy, JetStreamApiError, RetentionPolicy, StorageType, jetstream, jetstreamManager, type JetStreamManager, type MsgRequest, type StoredMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ForgeError } from '../errors.ts';
import { Continuity, type Mark } from './continuity.ts';
import { ensureStream } from './ensure-stream.ts';
import { decodeEnvelope } from './envelope.ts';
import { UnknownOutcome, VersionConflict, type EventStore, type StoredEnvelope, type Unreadable } from './event-store.ts';
import { followStream } from './follow-stream.ts';
import { isConflict, isNoMessage, isNoStream } from './jetstream-errors.ts';
import { isCanonical, parseSubject, subjectOf } from './subject.ts';

export const eventStream = 'FORGE';

const appendTimeoutMs = 5_000;

/** File storage, nothing can be deleted or purged, nothing ages. */
export const eventStreamConfig = {
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

export interface JetStreamStore extends EventStore {
  /** Newest message that was seen; undefined for none. */
  mark(): Mark | undefined;
  problem(): string | undefined;
  /** Bytes of the message of a sequence, from the leader; undefined where there is none. @throws ForgeError unavailable */
  message(sequence: number): Promise<Uint8Array | undefined>;
}

/**
 * Events on JetStream, by optimistic concurrency on each aggregate's subject. The stream is made where there is none.
 * @param mark what an earlier process saw last
 * @param replicas on how many nodes of a cluster a stream that is made is kept
 * @param apiPrefix by which JetStream's API is reached, where it is that of another account
 * @throws ForgeError unavailable when the stream does not hold that (any more)
 */
export async function createJetStreamStore(connection: NatsConnection, { mark, replicas = 1, apiPrefix }: { mark?: Mark | undefined; replicas?: number; apiPrefix?: string | undefined } = {}): Promise<JetStreamStore> {
  const api = apiPrefix === undefined ? {} : { apiPrefix };
  const manager = await jetstreamManager(connection, { ...api, checkAPI: false });
  const client = jetstream(connection, api);
  const messageOf = (seq: number): Promise<Uint8Array | undefined> => leader(async () => (await messageAt(manager, { seq }))?.data);
  const continuity = new Continuity(
    {
      lastSequence: () => leader(() => endOf(manager)),
      message: messageOf,
    },
    mark,
  );
  await continuity.check();
  await ensureStream(manager, { ...eventStreamConfig, num_replicas: replicas });
  void doubtWhenBroken(connection, continuity);

  return {
    problem: () => continuity.problem,
    mark: () => continuity.mark,
    message: messageOf,

    async append(aggregate, id, bytes, expectedVersion) {
      const subject = subjectOf(aggregate, id);
      await continuity.check();
      const before = continuity.sequence;
      let sequence: number;
      try {
        ({ seq: sequence } = await client.publish(subject, bytes, { timeout: appendTimeoutMs, expect: { streamName: eventStream, lastSubjectSequence: expectedVersion } }));
      } catch (error) {
        if (error instanceof JetStreamApiError) {
          if (isConflict(error)) throw new VersionConflict(subject, expectedVersion);
          throw new ForgeError('unavailable', `nats refused an append: ${error.message}`, { cause: error });
        }
        throw new UnknownOutcome(subject, error);
      }
      continuity.appended(sequence, bytes, before);
      return sequence;
    },

    async *readAggregate(aggregate, id, afterVersion) {
      const subject = subjectOf(aggregate, id);
      let next = afterVersion + 1;
      for (;;) {
        await continuity.check();
        // The server's API takes both fields; the client's type of it lags behind.
        const message = await leader(() => messageAt(manager, { seq: next, next_by_subj: subject } as unknown as MsgRequest));
        if (message === null) return;
        yield stored(message.seq, message.subject, message.data);
        next = message.seq + 1;
      }
    },

    async *subscribe(afterSequence, signal) {
      if (signal.aborted) return;
      await continuity.check();
      const options = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: afterSequence + 1 };
      for await (const message of followStream(connection, client, { stream: eventStream, options, maxMessages: 5_000 }, signal)) {
        if (continuity.doubted) await continuity.check();
        const next = stored(message.seq, message.subject, message.data);
        continuity.seen(next.sequence, next.bytes);
        yield next;
      }
    },

    async lastSequence() {
      await continuity.check();
      const before = continuity.sequence;
      const last = await leader(() => endOf(manager));
      if (last >= before) return last;
      continuity.doubt();
      await continuity.check();
      return continuity.sequence;
    },
  };
}

/** Sequence of the last message; 0 where the stream is gone. */
async function endOf(manager: JetStreamManager): Promise<number> {
  try {
    return (await manager.streams.info(eventStream)).state.last_seq;
  } catch (error) {
    if (isNoStream(error)) return 0;
    throw error;
  }
}

async function messageAt(manager: JetStreamManager, query: MsgRequest): Promise<StoredMsg | null> {
  try {
    return await manager.streams.getMessage(eventStream, query);
  } catch (error) {
    if (isNoMessage(error)) return null;
    throw error;
  }
}

async function doubtWhenBroken(connection: NatsConnection, continuity: Continuity): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') continuity.doubt();
    // Looked at now, so that it is known before somebody wants to write. Where that fails, whoever uses the store does it.
    if (status.type === 'reconnect') continuity.check().catch(() => {});
  }
}

function stored(sequence: number, subject: string, data: Uint8Array): StoredEnvelope | Unreadable {
  // The client reuses its buffers; an envelope outlives the message.
  const bytes = new Uint8Array(data);
  try {
    const named = parseSubject(subject);
    if (!isCanonical(subject, named)) throw new RangeError(`"${subject}" is not how the subject of an aggregate is written`);
    return { sequence, ...named, bytes, envelope: decodeEnvelope(bytes) };
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
