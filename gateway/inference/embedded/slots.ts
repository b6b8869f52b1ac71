import { ForgeError } from '../../../core/errors.ts';

/** A fixed number of things to lend, first come first served, with a bounded queue. */
export class Slots<T> {
  private readonly free: T[];
  private readonly waiting: { give: (item: T) => void }[] = [];
  private readonly queueLimit: number;

  constructor(items: readonly T[], queueLimit: number) {
    this.free = [...items];
    this.queueLimit = queueLimit;
  }

  /** @throws ForgeError rate_limited (queue full), cancelled */
  async take(signal: AbortSignal): Promise<T> {
    if (signal.aborted) throw new ForgeError('cancelled', 'The request was given up');
    const item = this.free.pop();
    if (item !== undefined) return item;
    if (this.waiting.length >= this.queueLimit) throw new ForgeError('rate_limited', `${this.waiting.length} requests wait already; try again later`, { retryAfterSeconds: 5 });
    return new Promise<T>((resolve, reject) => {
      const waiter = {
        give: (given: T) => {
          signal.removeEventListener('abort', leave);
          resolve(given);
        },
      };
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        reject(new ForgeError('cancelled', 'The request was given up'));
      };
      signal.addEventListener('abort', leave, { once: true });
      this.waiting.push(waiter);
    });
  }

  giveBack(item: T): void {
    const next = this.waiting.shift();
    if (next !== undefined) next.give(item);
    else this.free.push(item);
  }

  /** Takes one, and gives it back when `use` is done. @throws as take */
  async lend<R>(signal: AbortSignal, use: (item: T) => Promise<R>): Promise<R> {
    const item = await this.take(signal);
    try {
      return await use(item);
    } finally {
      this.giveBack(item);
    }
  }
}
