import type { Aggregate } from '../aggregate.ts';
import { allAggregates } from '../aggregates.ts';
import { isReadable, type StoredEnvelope, type Unreadable } from './event-store.ts';
import { emptyHead, type Head } from './fold.ts';
import type { Ledger } from './ledger.ts';
import { Replay } from './replay.ts';

export type StateView = Pick<Ledger, 'all' | 'head'>;

export interface Replayed {
  state: StateView;
  /** How many messages there were. */
  messages: number;
  /** Of those, what this version can't read, as one of a newer version would be. */
  unknown: number;
}

/** All aggregates as they stand after some messages, from the first on, to look at as at a ledger. */
export async function replayed(messages: AsyncIterable<StoredEnvelope | Unreadable>): Promise<Replayed> {
  const replay = new Replay(allAggregates);
  const kinds = new Set(replay.kinds());
  let count = 0;
  let unknown = 0;
  for await (const stored of messages) {
    replay.apply(stored);
    count += 1;
    if (!isReadable(stored) || !kinds.has(stored.aggregate) || stored.envelope.events.some(({ kind }) => kind.case === undefined)) unknown += 1;
  }
  const state: StateView = {
    head<State>(aggregate: Aggregate<State, never>, id: string) {
      return (replay.heads(aggregate.name).get(id) as Head<State> | undefined) ?? emptyHead(aggregate.initialState);
    },
    *all<State>(aggregate: Aggregate<State, never>): IterableIterator<[string, State]> {
      for (const [id, head] of replay.heads(aggregate.name)) yield [id, head.state as State];
    },
  };
  return { state, messages: count, unknown };
}
