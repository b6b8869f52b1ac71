import type { Aggregate } from '../aggregate.ts';
import type { Moment } from '../task/evolve.ts';
import { envelopeTime, hex, sha256Hex } from './envelope.ts';
import { isReadable, type StoredEnvelope, type Unreadable } from './event-store.ts';

/**
 * An aggregate as far as it was read: its version is the sequence of its last envelope. The rest may be read from bytes
 * only when it is asked for (PackedHead), so that a copy names each field.
 */
export interface Head<State = unknown> {
  version: number;
  /** Hash of the last envelope's stored bytes. */
  sha256: string;
  state: State;
  /** Of the first envelope. */
  idempotencySha256: string;
}

export function emptyHead<State>(state: State): Head<State> {
  return { version: 0, sha256: '', state, idempotencySha256: '' };
}

/** Checks the chain and each event, then folds. @returns what is wrong, as text */
export function fold(aggregate: Aggregate<unknown, unknown>, head: Head, stored: StoredEnvelope | Unreadable): Head | string {
  if (!isReadable(stored)) return stored.problem;
  const { envelope } = stored;
  if (envelope.aggregate !== stored.aggregate || envelope.id !== stored.id) return 'it names another aggregate than its subject';
  if (hex(envelope.previousSha256) !== head.sha256) return 'its hash of the envelope before does not match';
  const moment = momentOf(stored);
  let state = head.state;
  for (const event of envelope.events) {
    const problem = aggregate.admit(state, event);
    if (problem !== undefined) return problem;
    state = aggregate.evolve(state, event, moment);
  }
  return {
    version: stored.sequence,
    sha256: sha256Hex(stored.bytes),
    state,
    idempotencySha256: head.version === 0 ? hex(envelope.idempotencySha256) : head.idempotencySha256,
  };
}

/** What its events are folded with. */
export function momentOf({ sequence, id, envelope }: Pick<StoredEnvelope, 'sequence' | 'id' | 'envelope'>): Moment {
  return { id, time: envelopeTime(envelope), sequence };
}

/** Where an aggregate stands after a message that was not applied: its version moves on, since the next append must expect it. */
export function passOver(head: Head, { sequence, bytes }: StoredEnvelope | Unreadable): Head {
  return { version: sequence, sha256: sha256Hex(bytes), state: head.state, idempotencySha256: head.idempotencySha256 };
}
