/** Overlaps are counted in runs of this many tokens. */
export const windowTokens = 50;

const inWord = 1;
const isSign = 2;
/** `inWord` for what `\w` matches, 0 for what `\s` matches, `isSign` for others. */
const classes = Uint8Array.from({ length: 65_536 }, (_, code) => {
  const sign = String.fromCharCode(code);
  return /\w/.test(sign) ? inWord : /\s/.test(sign) ? 0 : isSign;
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
      // One more: the place of the next token is written to before it is known that there is one.
      if (tokens.length < chars + 1) {
        tokens = new Int32Array(chars * 2 + 1);
        hashes = new Float64Array(chars * 2 + 1);
      }
      let count = 0;
      for (const text of texts) count = readTokens(text, tokens, count);
      return hashes.subarray(0, hashWindows(tokens, count, hashes));
    },
  };
}

/**
 * Without branches: words are short, and a processor foretells their ends badly, which costs more than all the rest.
 * @returns how many tokens there are now
 */
function readTokens(text: string, tokens: Int32Array, from: number): number {
  let count = from;
  let word = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const kind = classes[code]!;
    const inside = kind & inWord;
    tokens[count] = word;
    // 1 where a word that is not 0 ends here.
    count += ((word | -word) >>> 31) & (inside ^ 1);
    tokens[count] = Math.imul(code + 1, 0x85ebca6b);
    count += kind >>> 1;
    word = (Math.imul(word ^ code, 0x01000193) + 0x7f4a7c15) & -inside;
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
