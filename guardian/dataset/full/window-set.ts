/** A set of window hashes in typed arrays: millions of entries, and asked mostly for what is not in it. */
export interface WindowSet {
  add(hash: number): void;
  has(hash: number): boolean;
}

const bitsPerHash = 16;

export function createWindowSet(): WindowSet {
  let size = 1 << 12;
  let count = 0;
  // NaN is no hash: a free place.
  let keys = new Float64Array(size).fill(NaN);
  // One bit a hash, small enough for the processor's cache: most questions end here.
  let bits = new Uint32Array((size * bitsPerHash) / 64);

  const placeOf = (hash: number): number => {
    let place = spread(hash) & (size - 1);
    while (keys[place] === keys[place] && keys[place] !== hash) place = (place + 1) & (size - 1);
    return place;
  };
  function grow(): void {
    const old = keys;
    size *= 2;
    keys = new Float64Array(size).fill(NaN);
    bits = new Uint32Array((size * bitsPerHash) / 64);
    for (let at = 0; at < old.length; at += 1) {
      const hash = old[at]!;
      if (hash === hash) put(hash);
    }
  }
  function put(hash: number): void {
    keys[placeOf(hash)] = hash;
    const bit = spread(hash) & (bits.length * 32 - 1);
    bits[bit >>> 5]! |= 1 << (bit & 31);
  }
  return {
    add(hash) {
      if (keys[placeOf(hash)] === hash) return;
      if ((count += 1) * 2 > size) grow();
      put(hash);
    },
    has(hash) {
      const bit = spread(hash) & (bits.length * 32 - 1);
      return (bits[bit >>> 5]! & (1 << (bit & 31))) !== 0 && keys[placeOf(hash)] === hash;
    },
  };
}

/** 32 bits of a hash of 53: its lower and upper part together. `^` cuts to 32 bits; `%` would be a call for each window. */
function spread(hash: number): number {
  return hash ^ (hash / 2_097_152);
}
