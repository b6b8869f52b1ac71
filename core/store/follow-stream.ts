import { setTimeout as wait } from 'node:timers/promises';
import { DeliverPolicy, type Consumer, type ConsumerMessages, type JetStreamClient, type JsMsg, type OrderedConsumerOptions } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

/** The default of 30 s can stall that long after a server restart. */
const expiresMs = 2_000;
/** Something comes from a consumer at least each second; so long silent, it is dead. */
const silenceMs = 4_000;
/** Between two tries to make a consumer anew. */
const againMs = 200;

export interface Following {
  stream: string;
  /** Of the first consumer; those after it begin where it ended. */
  options: Partial<OrderedConsumerOptions>;
  maxMessages: number;
  /** Called with each consumer before its messages are read. */
  onConsumer?(consumer: Consumer): Promise<void>;
}

/**
 * A stream's messages in order, until the signal aborts or the connection is closed. A consumer lives on one node: when that dies nothing comes from
 * it and the client waits for its return, so that one which is silent is left for another.
 * @throws where not even the first consumer can be made
 */
export async function* followStream(connection: NatsConnection, client: JetStreamClient, { stream, options, maxMessages, onConsumer }: Following, signal: AbortSignal): AsyncIterable<JsMsg> {
  let last = 0;
  for (let first = true; !signal.aborted && (first || !connection.isClosed()); first = false) {
    let messages: ConsumerMessages;
    try {
      const { filter_subjects: filter } = options;
      const from: Partial<OrderedConsumerOptions> = last === 0 ? options : { ...(filter === undefined ? {} : { filter_subjects: filter }), deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: last + 1 };
      const consumer = await client.consumers.get(stream, from);
      await onConsumer?.(consumer);
      messages = await consumer.consume({ expires: expiresMs, max_messages: maxMessages });
    } catch (error) {
      if (first) throw error;
      await wait(againMs, undefined, { signal }).catch(() => {});
      continue;
    }
    const stop = (): void => messages.stop();
    signal.addEventListener('abort', stop, { once: true });
    // It may have been aborted while the consumer was made, which no listener hears of.
    if (signal.aborted) stop();
    const unwatch = stopWhenSilent(messages);
    try {
      for await (const message of messages) {
        yield message;
        last = message.seq;
      }
    } finally {
      unwatch();
      signal.removeEventListener('abort', stop);
      await messages.close();
    }
  }
}

/** The client looks for silence too, and gives that up while it tries to make the consumer anew. @returns how to end it */
function stopWhenSilent(messages: ConsumerMessages): () => void {
  const timer = setTimeout(() => messages.stop(), silenceMs);
  const listen = async (): Promise<void> => {
    // What the client tells of itself is no sign of life.
    for await (const { type } of messages.status()) if (type === 'heartbeat' || type === 'discard') timer.refresh();
  };
  void listen();
  return () => clearTimeout(timer);
}
