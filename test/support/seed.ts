import { randomNumbers } from '../../core/random-numbers.ts';

/**
 * Where the seed of a random test comes from: AI_FORGE_TEST_SEED, else the clock. Whoever uses it prints it, so that
 * a failure can be had again.
 */
export function testSeed(): number {
  const set = process.env['AI_FORGE_TEST_SEED'];
  if (set === undefined || set === '') return Date.now() % 1_000_000_007;
  if (!/^\d{1,15}$/.test(set)) throw new Error(`AI_FORGE_TEST_SEED: must be a whole number, not "${set}"`);
  return Number(set);
}

/** Uniform whole numbers from `min` to `max`, the same for the same seed. */
export function randomIntegers(seed: number): (min: number, max: number) => number {
  const next = randomNumbers(seed);
  return (min, max) => min + Math.floor(next() * (max - min + 1));
}
