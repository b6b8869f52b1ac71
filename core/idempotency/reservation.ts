import type { Aggregate } from '../aggregate.ts';
import { ForgeError, assertNever } from '../errors.ts';
import { event } from '../task/events.ts';

/** What an `Idempotency-Key` stands for: the hash of the first body and the id of its job. */
export type ReservationState = { status: 'free' } | { status: 'reserved'; bodySha256: string; jobId: string };

export type ReservationCommand =
  | { type: 'reserve'; bodySha256: string; jobId: string }
  /** The reserved id went to another job: take a new one. */
  | { type: 'move'; from: string; to: string };

/** `forge.idem.<SHA-256 of caller and key>`: uniqueness is an aggregate too. Whoever finds a reservation completes it. */
export const reservationAggregate: Aggregate<ReservationState, ReservationCommand> = {
  name: 'idem',
  initialState: Object.freeze({ status: 'free' }),

  decide(command, state) {
    switch (command.type) {
      case 'reserve':
        if (state.status === 'free') return [event('keyReserved', { bodySha256: Buffer.from(command.bodySha256, 'hex'), jobId: command.jobId })];
        if (state.bodySha256 !== command.bodySha256) {
          throw new ForgeError('idempotency_conflict', `Idempotency-Key: it was used for ${state.jobId} with a different body; send the same body, or a new key`, { field: 'Idempotency-Key' });
        }
        return [];
      case 'move':
        if (state.status === 'free') throw new ForgeError('not_found', 'there is no such reservation');
        return state.jobId === command.from ? [event('reservationMoved', { jobId: command.to })] : [];
      default:
        return assertNever(command, 'command');
    }
  },

  evolve(state, { kind }) {
    if (kind.case === 'keyReserved') return { status: 'reserved', bodySha256: Buffer.from(kind.value.bodySha256).toString('hex'), jobId: kind.value.jobId };
    if (kind.case === 'reservationMoved' && state.status === 'reserved') return { ...state, jobId: kind.value.jobId };
    return state;
  },

  admit(state, { kind }) {
    if (kind.case === 'keyReserved') return state.status === 'free' ? undefined : 'a key is reserved twice';
    if (kind.case === 'reservationMoved') return state.status === 'reserved' ? undefined : 'a reservation moved before it was made';
    return `${kind.case} does not belong to a reservation`;
  },
};
