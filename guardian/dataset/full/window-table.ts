/** A map from window hashes to small numbers, in typed arrays: millions of entries at 12 bytes and a half. */
export interface WindowTable {
  /** Keeps the first value of a hash. */
  add(hash: number, value: number): void;
  /** @returns -1 when it is not there */
  get(hash: number): number;
}

/** @param most how many hashes may be added */
export function createWindowTable(most: number): WindowTable {
  const size = 2 ** Math.max(4, Math.ceil(Math.log2(most * 1.6 + 1)));
  const mask = size - 1;
  // NaN is no hash: a free place.
  const keys = new Float64Array(size).fill(NaN);
  const values = new Int32Array(size);
  const placeOf = (hash: number): number => {
    let place = (hash % 4_294_967_291) & mask;
    while (keys[place] === keys[place] && keys[place] !== hash) place = (place + 1) & mask;
    return place;
  };
  return {
    add(hash, value) {
      const place = placeOf(hash);
      if (keys[place] === hash) return;
      keys[place] = hash;
      values[place] = value;
    },
    get(hash) {
      const place = placeOf(hash);
      return keys[place] === hash ? values[place]! : -1;
    },
  };
}
