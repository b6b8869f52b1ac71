import type { Aggregate } from '../aggregate.ts';
import { sha256Hex } from './envelope.ts';
import { isReadable, type StoredEnvelope, type Unreadable } from './event-store.ts';
import { emptyHead, fold, passOver, type Head } from './fold.ts';
import { aggregateOf } from './subject.ts';

/** All aggregates of some kinds as they stand after the messages that were applied, in the stream's order. */
export class Replay {
  readonly #aggregates: ReadonlyMap<string, Aggregate<unknown, unknown>>;
  readonly #heads = new Map<string, Map<string, Head>>();
  #sequence = 0;
  /** Bytes of the last message, or its hash. */
  #last: Uint8Array | string = '';

  constructor(aggregates: readonly Aggregate<never, never>[]) {
    this.#aggregates = new Map(aggregates.map((aggregate) => [aggregate.name, aggregate as unknown as Aggregate<unknown, unknown>]));
    for (const name of this.#aggregates.keys()) this.#heads.set(name, new Map());
  }

  /** Of the last message that was applied or passed over. */
  get sequence(): number {
    return this.#sequence;
  }

  /** SHA-256 of the last message's bytes, in hex; empty for none. */
  get sha256(): string {
    return typeof this.#last === 'string' ? this.#last : (this.#last = sha256Hex(this.#last));
  }

  /** Goes on from where another fold of the same kinds stood. */
  restore(snapshot: { sequence: number; sha256: string; heads: Iterable<[string, [string, Head][]]> }): void {
    this.#sequence = snapshot.sequence;
    this.#last = snapshot.sha256;
    for (const [kind, heads] of snapshot.heads) this.#heads.set(kind, new Map(heads));
  }

  /** The ids of a kind and where each stands, oldest first. */
  heads(aggregate: string): ReadonlyMap<string, Head> {
    return this.#heads.get(aggregate) ?? new Map<string, Head>();
  }

  /** The kinds that are folded here, by name. */
  kinds(): string[] {
    return [...this.#aggregates.keys()].sort();
  }

  /**
   * Folds the next message. One that should not be there moves its aggregate's version on and nothing else.
   * @returns the aggregate's head, undefined where it is of no kind that is folded here; and what is wrong with the message
   */
  apply(stored: StoredEnvelope | Unreadable): { head: Head | undefined; problem: string | undefined } {
    this.#sequence = stored.sequence;
    this.#last = stored.bytes;
    const named = isReadable(stored) ? stored : aggregateOf(stored.subject);
    const aggregate = named && this.#aggregates.get(named.aggregate);
    const heads = named && this.#heads.get(named.aggregate);
    if (aggregate === undefined || heads === undefined) return { head: undefined, problem: isReadable(stored) ? undefined : stored.problem };
    const before = heads.get(named!.id) ?? emptyHead(aggregate.initialState);
    const next = fold(aggregate, before, stored);
    const head = typeof next === 'string' ? passOver(before, stored) : next;
    heads.set(named!.id, head);
    return { head, problem: typeof next === 'string' ? next : undefined };
  }
}
