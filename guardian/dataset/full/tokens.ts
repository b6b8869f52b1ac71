/** Overlaps are counted in runs of this many tokens. */
export const windowTokens = 50;

/** 1 for what `\w` matches, 2 for what `\s` matches, 0 for other signs. */
const classes = Uint8Array.from({ length: 65_536 }, (_, code) => {
  const sign = String.fromCharCode(code);
  return /\w/.test(sign) ? 1 : /\s/.test(sign) ? 2 : 0;
});

const base = 0x9e3779b1;
/** base ** windowTokens, modulo 2 ** 32 */
const leaving = Array.from({ length: windowTokens }).reduce<number>((power) => Math.imul(power, base), 1);

/** Hashes runs of tokens, text after text in the same memory. */
export interface WindowReader {
  /**
   * @param texts read as one text, with a border between two
   * @returns a hash of each run of 50 tokens, in order; a token is a word (`\w+`) or another sign that is no white
   * space. Runs that differ have equal hashes by a chance of 2 ** -53 a pair. A view that the next call overwrites
   */
  read(texts: readonly string[]): Float64Array;
}

export function createWindowReader(): WindowReader {
  let tokens = new Int32Array(1 << 12);
  let hashes = new Float64Array(1 << 12);
  return {
    read(texts) {
      const chars = texts.reduce((sum, text) => sum + text.length, 0);
      if (tokens.length < chars) {
        tokens = new Int32Array(chars * 2);
        hashes = new Float64Array(chars * 2);
      }
      let count = 0;
      for (const text of texts) count = readTokens(text, tokens, count);
      return hashes.subarray(0, hashWindows(tokens, count, hashes));
    },
  };
}

/** @returns how many tokens there are now */
function readTokens(text: string, tokens: Int32Array, from: number): number {
  let count = from;
  let word = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const kind = classes[code];
    if (kind === 1) {
      word = (Math.imul(word ^ code, 0x01000193) + 0x7f4a7c15) | 0;
      continue;
    }
    if (word !== 0) tokens[count++] = word;
    word = 0;
    if (kind === 0) tokens[count++] = Math.imul(code + 1, 0x85ebca6b);
  }
  if (word !== 0) tokens[count++] = word;
  return count;
}

/** Two rolling polynomials modulo 2 ** 32, of the tokens and of the tokens mixed. @returns how many hashes there are */
function hashWindows(tokens: Int32Array, count: number, hashes: Float64Array): number {
  let low = 0;
  let high = 0;
  for (let at = 0; at < count; at += 1) {
    const token = tokens[at]!;
    low = Math.imul(low, base) + token;
    high = Math.imul(high, base) + mix(token);
    if (at >= windowTokens) {
      const gone = tokens[at - windowTokens]!;
      low -= Math.imul(gone, leaving);
      high -= Math.imul(mix(gone), leaving);
    }
    low |= 0;
    high |= 0;
    if (at >= windowTokens - 1) hashes[at - windowTokens + 1] = (low >>> 0) * 2_097_152 + (high >>> 11);
  }
  return Math.max(0, count - windowTokens + 1);
}

function mix(token: number): number {
  const half = Math.imul(token ^ (token >>> 15), 0x2c1b3c6d);
  return half ^ (half >>> 13);
}
