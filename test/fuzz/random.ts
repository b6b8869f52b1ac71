import { randomNumbers } from '../../core/random-numbers.ts';

/** Random numbers that a seed gives again. */
export interface Random {
  /** From 0 up to, but not including, `end`. */
  below(end: number): number;
  chance(share: number): boolean;
  pick<T>(from: readonly T[]): T;
}

/** 32 bits of state are enough for choosing test data. */
export function createRandom(seed: number): Random {
  const next = randomNumbers(seed);
  return {
    below: (end) => Math.floor(next() * end),
    chance: (share) => next() < share,
    pick: (from) => from[Math.floor(next() * from.length)]!,
  };
}
