import type { Aggregate } from '../../core/aggregate.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import { momentOf } from '../../core/store/fold.ts';

/**
 * Folds an envelope that was read from the stream, as the ledger does: all its events, or none of them when one may not
 * follow.
 * @returns undefined when it should not be there
 */
export function foldAdmitted<State>(aggregate: Pick<Aggregate<State, never>, 'admit' | 'evolve'>, before: State, stored: StoredEnvelope): State | undefined {
  const moment = momentOf(stored);
  let state = before;
  for (const event of stored.envelope.events) {
    if (aggregate.admit(state, event) !== undefined) return undefined;
    state = aggregate.evolve(state, event, moment);
  }
  return state;
}
