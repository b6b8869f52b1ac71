import type { Aggregate } from '../aggregate.ts';
import type { StoredEnvelope, Unreadable } from './event-store.ts';
import { emptyHead, fold, passOver, type Head } from './fold.ts';

/** Heads by id, as they first appeared. */
export type Heads = Map<string, Head>;
/** The same as a list, which is quicker to make. */
export type HeadList = [id: string, head: Head][];

/** All aggregates of one kind at a sequence. */
export interface KindSnapshot<H extends Heads | HeadList> {
  heads: H;
  /** Ids of those that are not over. */
  open: string[];
  /** What those that are over have left. */
  traces: [key: string, value: number][];
}

/** All aggregates of one kind as they stand, and beside them what makes it needless to look at those that are over. */
export class KindFold {
  readonly #aggregate: Aggregate<unknown, unknown>;
  #heads: Heads = new Map();
  /** Empty for a kind of which none is ever over. */
  #open = new Set<string>();
  #traces = new Map<string, number>();

  constructor(aggregate: Aggregate<unknown, unknown>) {
    this.#aggregate = aggregate;
  }

  /** By id, oldest first. */
  get heads(): ReadonlyMap<string, Head> {
    return this.#heads;
  }

  /** Of each key the greatest value that an aggregate had when it was over. */
  get traces(): ReadonlyMap<string, number> {
    return this.#traces;
  }

  /** Those that are not over, in no order. */
  *open(): IterableIterator<[string, Head]> {
    if (this.#aggregate.isOver === undefined) yield* this.#heads;
    else for (const id of this.#open) yield [id, this.#heads.get(id)!];
  }

  /** Folds a message of the aggregate of that id. @returns where it stands then, and what is wrong with the message */
  apply(id: string, stored: StoredEnvelope | Unreadable): { head: Head; problem: string | undefined } {
    const before = this.#heads.get(id) ?? emptyHead(this.#aggregate.initialState);
    const next = fold(this.#aggregate, before, stored);
    const head = typeof next === 'string' ? passOver(before, stored) : next;
    this.#heads.set(id, head);
    if (this.#aggregate.isOver !== undefined) this.#sort(id, head.state);
    return { head, problem: typeof next === 'string' ? next : undefined };
  }

  snapshot(): KindSnapshot<HeadList> {
    return { heads: [...this.#heads], open: [...this.#open], traces: [...this.#traces] };
  }

  /** Goes on from there. The heads are this fold's own from now on. */
  restore({ heads, open, traces }: KindSnapshot<Heads>): void {
    this.#heads = heads;
    this.#open = new Set(open);
    this.#traces = new Map(traces);
  }

  #sort(id: string, state: unknown): void {
    if (!this.#aggregate.isOver!(state)) return void this.#open.add(id);
    this.#open.delete(id);
    const trace = this.#aggregate.trace?.(state);
    if (trace !== undefined && trace.value > (this.#traces.get(trace.key) ?? -Infinity)) this.#traces.set(trace.key, trace.value);
  }
}
