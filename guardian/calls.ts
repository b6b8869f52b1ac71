import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { isForgeError } from '../core/errors.ts';
import { faultPoint } from '../core/fault.ts';
import { GuardianCallSchema, GuardianReplySchema } from '../core/gen/aiforge/v1/guardian_pb.ts';
import type { Logger } from '../core/logger.ts';
import { isAnswerable } from '../core/reply-subject.ts';
import type { Answer } from './retrain/retrain.ts';

/** The caller hears of work that takes longer, so that it can tell a busy guardian from one that is gone. */
const workingMs = 500;

export interface CallContext {
  /** SHA-256 of caller and Idempotency-Key, in hex; empty for none. */
  idempotencySha256: string;
  signal: AbortSignal;
}

/** One method that the guardian answers for the gateway. */
export interface Call {
  readonly name: string;
  run(request: Uint8Array, context: CallContext): Promise<{ response: Uint8Array; sequence: number }>;
}

export function call<I extends DescMessage, O extends DescMessage>(
  method: { name: string; input: I; output: O },
  handle: (request: MessageShape<I>, context: CallContext) => Promise<Answer<MessageInitShape<O>>>,
): Call {
  return {
    name: method.name,
    async run(request, context) {
      const { response, sequence } = await handle(fromBinary(method.input, request), context);
      return { response: toBinary(method.output, create(method.output, response)), sequence };
    },
  };
}

/**
 * Answers `guardian.call.<method>`.
 * @param limitMs for one call: reading a large repository, or fetching one, ends here
 * @returns what stops it, once the answers under way are sent
 */
export function answerCalls(nats: NatsConnection, calls: readonly Call[], logger: Logger, limitMs: number): () => Promise<void> {
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();

  async function answer(one: Call, message: Msg): Promise<void> {
    const send = (reply: MessageInitShape<typeof GuardianReplySchema>): void => void message.respond(toBinary(GuardianReplySchema, create(GuardianReplySchema, reply)));
    const working = setInterval(() => send({ working: true }), workingMs);
    try {
      const reply = await decide(one, message.data);
      faultPoint('guardian.call.answer');
      send(reply);
    } finally {
      clearInterval(working);
    }
  }

  async function decide(one: Call, data: Uint8Array): Promise<MessageInitShape<typeof GuardianReplySchema>> {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(limitMs)]);
    try {
      const { request, idempotencySha256 } = fromBinary(GuardianCallSchema, data);
      const { response, sequence } = await one.run(request, { idempotencySha256: Buffer.from(idempotencySha256).toString('hex'), signal });
      return { response, sequence: BigInt(sequence) };
    } catch (error) {
      if (isForgeError(error)) return { errorCode: error.code, errorMessage: error.message, errorField: error.field ?? '' };
      if (signal.aborted) return { errorCode: 'unavailable', errorMessage: stopping.signal.aborted ? 'the guardian is going down; try again' : `the guardian was not done within ${limitMs / 1000} s` };
      logger.error('a call could not be answered', { call: one.name, error });
      return { errorCode: 'internal', errorMessage: 'the guardian failed; its log says why' };
    }
  }

  const subscriptions = calls.map((one) =>
    nats.subscribe(`guardian.call.${one.name}`, {
      queue: 'guardian',
      callback: (error, message) => {
        if (error !== null || !isAnswerable(message.reply, '_INBOX')) return;
        const done = answer(one, message)
          .catch((cause: unknown) => logger.warn('an answer could not be sent', { error: cause }))
          .finally(() => underWay.delete(done));
        underWay.add(done);
      },
    }),
  );
  return async () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
    stopping.abort();
    await Promise.all(underWay);
  };
}
