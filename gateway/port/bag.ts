/** What can be in a bag: it remembers where. */
export interface Bagged {
  /** Place in its bag; -1: in none. */
  place: number;
}

/**
 * What is under way, in no order. A Set would do but for the garbage collector: the table that a Set outgrows points to the
 * next one, so that one dead table in the old generation keeps all later ones alive, and what they held when they were
 * outgrown. With an entry for each request that was half of all requests, until the next full collection.
 */
export class Bag<T extends Bagged> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  /** @returns whether it was there */
  delete(item: T): boolean {
    const { place } = item;
    if (this.#items[place] !== item) return false;
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[place] = last;
      last.place = place;
    }
    item.place = -1;
    return true;
  }

  /** A copy: what is done to the items may take them out. */
  all(): T[] {
    return [...this.#items];
  }
}
