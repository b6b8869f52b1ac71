import type { Aggregate } from '../aggregate.ts';
import { sha256Hex } from './envelope.ts';
import { isReadable, type StoredEnvelope, type Unreadable } from './event-store.ts';
import type { Head } from './fold.ts';
import { KindFold, type HeadList, type Heads, type KindSnapshot } from './kind-fold.ts';
import { aggregateOf } from './subject.ts';

/** All aggregates of some kinds as they stand after the messages that were applied, in the stream's order. */
export class Replay {
  readonly #kinds: ReadonlyMap<string, KindFold>;
  #sequence = 0;
  /** Bytes of the last message, or its hash. */
  #last: Uint8Array | string = '';

  constructor(aggregates: readonly Aggregate<never, never>[]) {
    this.#kinds = new Map(aggregates.map((aggregate) => [aggregate.name, new KindFold(aggregate as unknown as Aggregate<unknown, unknown>)]));
  }

  /** Of the last message that was applied or passed over. */
  get sequence(): number {
    return this.#sequence;
  }

  /** SHA-256 of the last message's bytes, in hex; empty for none. */
  get sha256(): string {
    return typeof this.#last === 'string' ? this.#last : (this.#last = sha256Hex(this.#last));
  }

  /** All as it is now; states are never changed, so it stays as it is however the fold moves on. */
  snapshot(): { sequence: number; sha256: string; kinds: [kind: string, KindSnapshot<HeadList>][] } {
    const { sequence, sha256 } = this;
    return { sequence, sha256, kinds: this.kinds().map((kind) => [kind, this.#kinds.get(kind)!.snapshot()]) };
  }

  /** Goes on from where another fold of the same kinds stood. */
  restore(snapshot: { sequence: number; sha256: string; kinds: Iterable<[string, KindSnapshot<Heads>]> }): void {
    this.#sequence = snapshot.sequence;
    this.#last = snapshot.sha256;
    for (const [kind, one] of snapshot.kinds) this.#kinds.get(kind)!.restore(one);
  }

  /** The ids of a kind and where each stands, oldest first. */
  heads(aggregate: string): ReadonlyMap<string, Head> {
    return this.#kinds.get(aggregate)?.heads ?? new Map<string, Head>();
  }

  /** Those of a kind about which something is left to be done, in no order. */
  *open(aggregate: string): IterableIterator<[string, Head]> {
    yield* this.#kinds.get(aggregate)?.open() ?? [];
  }

  /** What those of a kind that are over have left: of each key the greatest value. */
  traces(aggregate: string): ReadonlyMap<string, number> {
    return this.#kinds.get(aggregate)?.traces ?? new Map<string, number>();
  }

  /** The kinds that are folded here, by name. */
  kinds(): string[] {
    return [...this.#kinds.keys()].sort();
  }

  /**
   * Folds the next message. One that should not be there moves its aggregate's version on and nothing else.
   * @returns the aggregate's head, undefined where it is of no kind that is folded here; and what is wrong with the message
   */
  apply(stored: StoredEnvelope | Unreadable): { head: Head | undefined; problem: string | undefined } {
    this.#sequence = stored.sequence;
    this.#last = stored.bytes;
    const named = isReadable(stored) ? stored : aggregateOf(stored.subject);
    const kind = named && this.#kinds.get(named.aggregate);
    if (kind === undefined) return { head: undefined, problem: isReadable(stored) ? undefined : stored.problem };
    return kind.apply(named!.id, stored);
  }
}
