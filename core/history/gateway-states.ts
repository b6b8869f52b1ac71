import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import { GetStateDigestRequestSchema, GetStateDigestResponseSchema } from '../gen/aiforge/v1/state_pb.ts';
import type { StateDigest } from '../store/state-digest.ts';

export const stateSubject = 'gateway.state';
/** Answers come below this and nowhere else. */
export const verifyInbox = '_INBOX.verify';

export interface GatewayState {
  gatewayId: string;
  /** Undefined where it did not come in time. */
  state: StateDigest | undefined;
}

/**
 * Asks every gateway for the digest of its state.
 * @param presenceMs how long gateways have to say that they are there
 * @param digestMs how long those have to work it out
 */
export async function askGatewayStates(connection: NatsConnection, { presenceMs = 1_000, digestMs = 60_000 } = {}): Promise<GatewayState[]> {
  const states = new Map<string, StateDigest | undefined>();
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let counted = false;
  const look = (): void => {
    if (counted && [...states.values()].every((state) => state !== undefined)) resolve();
  };
  const reply = `${verifyInbox}.${randomUUID()}`;
  const subscription = connection.subscribe(reply, {
    callback(error, message) {
      // An empty answer is the server's word that no gateway listens.
      if (error !== null || message.data.length === 0) return;
      const { gatewayId, sequence, kinds } = fromBinary(GetStateDigestResponseSchema, message.data);
      const state = Object.keys(kinds).length === 0 ? undefined : { sequence: Number(sequence), kinds };
      states.set(gatewayId, state ?? states.get(gatewayId));
      look();
    },
  });
  const ending = new AbortController();
  try {
    connection.publish(stateSubject, toBinary(GetStateDigestRequestSchema, create(GetStateDigestRequestSchema, {})), { reply });
    await setTimeout(presenceMs);
    counted = true;
    look();
    await Promise.race([all, setTimeout(digestMs, undefined, { signal: ending.signal }).catch(() => {})]);
  } finally {
    ending.abort();
    subscription.unsubscribe();
  }
  return [...states].map(([gatewayId, state]) => ({ gatewayId, state }));
}
