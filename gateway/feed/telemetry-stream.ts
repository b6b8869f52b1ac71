import { fromBinary } from '@bufbuild/protobuf';
import { DeliverPolicy, DiscardPolicy, RetentionPolicy, StorageType, jetstream, jetstreamManager, type Consumer } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { TelemetrySchema, type Telemetry } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { ensureStream } from '../../core/store/ensure-stream.ts';
import { followStream } from '../../core/store/follow-stream.ts';
import { isNoMessage } from '../../core/store/jetstream-errors.ts';

const streamName = 'TELEMETRY';
const weekNs = 7 * 24 * 3600 * 1e9;

export interface StoredTelemetry {
  sequence: number;
  /** Who sent it, by the subject, which is all that nats-server lets it publish to. */
  workerId: string;
  telemetry: Telemetry;
}

/** Metrics as workers sent them. They age out and are no source of truth; what is told from them says `metrics`. */
export interface TelemetryStream {
  /** A task's messages from the first that is kept, then live until the signal aborts. `caughtUp` is called once, when the past is read. */
  read(taskId: string, signal: AbortSignal, caughtUp: () => void): AsyncIterable<StoredTelemetry>;
  /** The same of one worker's attempt alone. */
  readAttempt(attempt: { taskId: string; workerId: string; number: number }, signal: AbortSignal, caughtUp: () => void): AsyncIterable<StoredTelemetry>;
  /** The newest message of every task and worker, then live. */
  readNewest(signal: AbortSignal, caughtUp: () => void): AsyncIterable<StoredTelemetry>;
  /** Stream sequence of a task's newest message, 0 for none. */
  lastSequence(taskId: string): Promise<number>;
}

export async function createTelemetryStream(connection: NatsConnection, replicas = 1): Promise<TelemetryStream> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  await ensureStream(manager, {
    name: streamName,
    subjects: ['telemetry.>'],
    num_replicas: replicas,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_age: weekNs,
    max_bytes: 1 << 30,
    max_msg_size: 1 << 20,
    // An acknowledgement would go to whatever reply subject a worker names, an event's too.
    no_ack: true,
  });
  const client = jetstream(connection);

  async function* follow(filter: string, policy: DeliverPolicy, signal: AbortSignal, caughtUp: () => void): AsyncIterable<StoredTelemetry> {
    if (signal.aborted) return;
    const onConsumer = async (consumer: Consumer): Promise<void> => {
      if ((await consumer.info(true)).num_pending === 0) caughtUp();
    };
    for await (const message of followStream(connection, client, { stream: streamName, options: { filter_subjects: filter, deliver_policy: policy }, maxMessages: 1_000, onConsumer }, signal)) {
      const telemetry = decode(message.data, message.subject);
      if (telemetry !== undefined) yield { sequence: message.seq, workerId: message.subject.split('.')[1]!, telemetry };
      if (message.info.pending === 0) caughtUp();
    }
  }

  return {
    read: (taskId, signal, caughtUp) => follow(`telemetry.*.${taskId}`, DeliverPolicy.All, signal, caughtUp),
    async *readAttempt({ taskId, workerId, number }, signal, caughtUp) {
      for await (const stored of follow(`telemetry.${workerId}.${taskId}`, DeliverPolicy.All, signal, caughtUp)) if (stored.telemetry.attempt === number) yield stored;
    },
    readNewest: (signal, caughtUp) => follow('telemetry.>', DeliverPolicy.LastPerSubject, signal, caughtUp),
    async lastSequence(taskId) {
      try {
        return (await manager.streams.getMessage(streamName, { last_by_subj: `telemetry.*.${taskId}` }))?.seq ?? 0;
      } catch (error) {
        if (isNoMessage(error)) return 0;
        throw error;
      }
    },
  };
}

/** @returns undefined for what is no telemetry of the task that its subject names */
function decode(data: Uint8Array, subject: string): Telemetry | undefined {
  try {
    const telemetry = fromBinary(TelemetrySchema, data);
    return subject.endsWith(`.${telemetry.taskId}`) ? telemetry : undefined;
  } catch {
    return undefined;
  }
}
