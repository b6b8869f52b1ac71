/**
 * Shingles of a text (Broder, "On the resemblance and containment of documents", 1997): all runs of five tokens, so
 * that order counts and layout does not. A token is a run of ASCII word characters or of characters beyond ASCII.
 */
const tokensPerShingle = 5;
/** Odd, so that multiplying by it is invertible modulo 2^32. */
const base = 0x01000193;
const basePower = [1, 2, 3, 4, 5].reduce((power) => Math.imul(power, base), 1);

const isWord = new Uint8Array(65_536).fill(1, 128);
for (const character of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_') isWord[character.charCodeAt(0)] = 1;

/** What a token's hash begins with: the offset of FNV-1a. */
const start = 0x811c9dc5 | 0;

/** Reads one text after another into the same memory. */
export interface ShingleReader {
  /**
   * @returns the 32-bit hashes of the text's shingles in order, repeated ones too; a view that the next call
   * overwrites. A text of fewer than five tokens is one shingle, one without tokens none.
   */
  read(text: string): Uint32Array;
}

export function createShingleReader(): ShingleReader {
  let tokens = new Uint32Array(1 << 14);
  let shingles = new Uint32Array(1 << 14);

  return {
    read(text) {
      // One more than there can be: the place of the next token is written to before it is known that there is one.
      if (text.length / 2 + 2 > tokens.length) {
        tokens = new Uint32Array(text.length + 2);
        shingles = new Uint32Array(text.length + 2);
      }
      const count = readTokens(text, tokens);
      if (count === 0) return shingles.subarray(0, 0);
      let rolling = 0;
      for (let at = 0; at < count; at += 1) {
        rolling = (Math.imul(rolling, base) + tokens[at]!) | 0;
        if (at >= tokensPerShingle) rolling = (rolling - Math.imul(tokens[at - tokensPerShingle]!, basePower)) | 0;
        if (at >= tokensPerShingle - 1) shingles[at - tokensPerShingle + 1] = mix(rolling);
      }
      if (count < tokensPerShingle) shingles[0] = mix(rolling + count);
      return shingles.subarray(0, Math.max(1, count - tokensPerShingle + 1));
    },
  };
}

/**
 * Writes the hash of each token. Without branches: words are short, and a processor foretells their ends badly.
 * @returns how many there are
 */
function readTokens(text: string, tokens: Uint32Array): number {
  let count = 0;
  let hash = start;
  let inside = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const goesOn = isWord[code]!;
    tokens[count] = mix(hash);
    count += inside & (goesOn ^ 1);
    // The next word's hash where the sign is in none.
    hash = (Math.imul(hash ^ code, 0x01000193) & -goesOn) | (start & (goesOn - 1));
    inside = goesOn;
  }
  tokens[count] = mix(hash);
  return count + inside;
}

/** The finalizer of MurmurHash3: every bit of the input moves every bit of the output. */
export function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** @returns the distinct hashes in ascending order, in memory of their own */
export function distinct(shingles: Uint32Array): Uint32Array {
  const sorted = shingles.slice().sort();
  let kept = 0;
  for (let at = 0; at < sorted.length; at += 1) if (at === 0 || sorted[at] !== sorted[at - 1]) sorted[kept++] = sorted[at]!;
  return sorted.slice(0, kept);
}

/** Jaccard resemblance of two sets as `distinct` gives them: shared over all, 0 to 1. */
export function resemblance(a: Uint32Array, b: Uint32Array): number {
  let shared = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) shared += 1;
    const step = a[i]! <= b[j]!;
    if (b[j]! <= a[i]!) j += 1;
    if (step) i += 1;
  }
  const all = a.length + b.length - shared;
  return all === 0 ? 0 : shared / all;
}
