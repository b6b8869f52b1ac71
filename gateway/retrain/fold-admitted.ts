import type { Aggregate } from '../../core/aggregate.ts';
import { envelopeTime } from '../../core/store/envelope.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';

/**
 * Folds an envelope that was read from the stream, as the ledger does: all its events, or none of them when one may not
 * follow.
 * @returns undefined when it should not be there
 */
export function foldAdmitted<State>(aggregate: Pick<Aggregate<State, never>, 'admit' | 'evolve'>, before: State, { sequence, id, envelope }: StoredEnvelope): State | undefined {
  const moment = { id, time: envelopeTime(envelope), sequence };
  let state = before;
  for (const event of envelope.events) {
    if (aggregate.admit(state, event) !== undefined) return undefined;
    state = aggregate.evolve(state, event, moment);
  }
  return state;
}
