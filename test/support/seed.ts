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

/** Uniform whole numbers from `min` to `max`, the same for the same seed (mulberry32). */
export function randomIntegers(seed: number): (min: number, max: number) => number {
  let state = seed >>> 0;
  return (min, max) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return min + Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * (max - min + 1));
  };
}
