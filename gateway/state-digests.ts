import { randomUUID } from 'node:crypto';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { GetStateDigestResponseSchema } from '../core/gen/aiforge/v1/state_pb.ts';
import { stateSubject, verifyInbox } from '../core/history/gateway-states.ts';
import type { Logger } from '../core/logger.ts';
import type { Ledger } from '../core/store/ledger.ts';
import { digestState, type StateDigest } from '../core/store/state-digest.ts';

/** Tells whoever verifies the stream what this gateway has folded it to. */
export function serveStateDigests({ connection, ledger, logger }: { connection: NatsConnection; ledger: Ledger; logger: Logger }): { stop(): Promise<void> } {
  const gatewayId = randomUUID();
  // Hashing all states is work: however many ask, it is done once at a time.
  let underWay: Promise<StateDigest> | undefined;

  const answer = async (message: Msg): Promise<void> => {
    const respond = (state: MessageInitShape<typeof GetStateDigestResponseSchema>): void => {
      message.respond(toBinary(GetStateDigestResponseSchema, create(GetStateDigestResponseSchema, { gatewayId, ...state })));
    };
    respond({});
    const { sequence, kinds } = await (underWay ??= digestState(ledger.replay).finally(() => (underWay = undefined)));
    respond({ sequence: BigInt(sequence), kinds });
  };

  const subscription = connection.subscribe(stateSubject, {
    callback(error, message) {
      // A reply subject may name any subject, one of the stream's too.
      if (error !== null || message.reply?.startsWith(`${verifyInbox}.`) !== true) return;
      answer(message).catch((cause: unknown) => logger.warn('a digest of the state could not be given', { error: (cause as Error).message }));
    },
  });
  return {
    async stop() {
      subscription.unsubscribe();
      await underWay;
    },
  };
}
