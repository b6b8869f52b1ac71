import { mix } from './shingles.ts';

/** Minima in a signature: at a resemblance of 0.8 the estimate's standard deviation is 0.035. */
export const bins = 128;
const binBits = 7;
/** No shingle fell into the bin. As a shingle's hash it is taken for the one below. */
const empty = 0xffffffff;

/**
 * One-permutation MinHash (Li, Owen, Zhang, "One permutation hashing", 2012): each shingle is hashed once, the high
 * bits choose a bin, and a bin keeps its least. Empty bins borrow from others by optimal densification (Shrivastava,
 * "Optimal densification for fast and accurate minwise hashing", 2017), which keeps the estimate unbiased.
 * @param shingles at least one hash, in any order
 * @param into `bins` numbers to write the signature to
 */
export function writeSignature(shingles: Uint32Array, into: Uint32Array): void {
  into.fill(empty);
  for (let at = 0; at < shingles.length; at += 1) {
    const hash = shingles[at] === empty ? empty - 1 : shingles[at]!;
    const bin = hash >>> (32 - binBits);
    if (hash < into[bin]!) into[bin] = hash;
  }
  const filled = new Uint8Array(bins);
  for (let bin = 0; bin < bins; bin += 1) filled[bin] = into[bin] === empty ? 0 : 1;
  if (!filled.includes(1)) throw new Error('a signature needs at least one shingle');
  for (let bin = 0; bin < bins; bin += 1) {
    // The bins tried depend on the bin alone, so two texts borrow alike wherever the same bins are filled.
    let from = bin;
    for (let attempt = 1; filled[from] === 0; attempt += 1) from = mix(Math.imul(bin + 1, 0x9e3779b1) + Math.imul(attempt, 0x85ebca77)) >>> (32 - binBits);
    into[bin] = into[from]!;
  }
}

/** Estimates the Jaccard resemblance of two texts: the share of equal minima, 0 to 1. */
export function estimate(a: Uint32Array, b: Uint32Array): number {
  let equal = 0;
  for (let bin = 0; bin < bins; bin += 1) if (a[bin] === b[bin]) equal += 1;
  return equal / bins;
}
