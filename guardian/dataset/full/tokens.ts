/** Overlaps are counted in runs of this many tokens. */
export const windowTokens = 50;

/** 1 for what `\w` matches, 2 for what `\s` matches, 0 for other signs; beyond ASCII by the full rule. */
const classes = Uint8Array.from({ length: 65_536 }, (_, code) => {
  const sign = String.fromCharCode(code);
  return /\w/.test(sign) ? 1 : /\s/.test(sign) ? 2 : 0;
});

const base = 0x9e3779b1;
/** base ** windowTokens, modulo 2 ** 32 */
const leaving = Array.from({ length: windowTokens }).reduce<number>((power) => Math.imul(power, base), 1);

/**
 * Calls `window` with a hash (53 bits, by two rolling polynomials) of each run of 50 tokens of a text, where a token is
 * a word (`\w+`) or another sign that is no white space. It may give equal hashes for runs that differ, by a chance of
 * 2 ** -53 a pair.
 * @param window gets the hash, and the index of the run's first token
 */
export function eachWindow(texts: readonly string[], window: (hash: number, at: number) => void): void {
  const recent = new Int32Array(windowTokens);
  let count = 0;
  let low = 0;
  let high = 0;
  const add = (token: number): void => {
    const slot = count % windowTokens;
    const gone = count < windowTokens ? 0 : recent[slot]!;
    recent[slot] = token;
    low = (Math.imul(low, base) + token - Math.imul(gone, leaving)) | 0;
    high = (Math.imul(high, base) + mix(token) - Math.imul(count < windowTokens ? 0 : mix(gone), leaving)) | 0;
    count += 1;
    if (count >= windowTokens) window((low >>> 0) * 2_097_152 + (high >>> 11), count - windowTokens);
  };
  for (const text of texts) {
    let word = 0;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      const kind = classes[code];
      if (kind === 1) {
        word = Math.imul(word ^ code, 0x01000193) + 0x7f4a7c15 | 0;
        continue;
      }
      if (word !== 0) {
        add(word);
        word = 0;
      }
      if (kind === 0) add(Math.imul(code + 1, 0x85ebca6b));
    }
    if (word !== 0) add(word);
  }
}

function mix(token: number): number {
  const half = Math.imul(token ^ (token >>> 15), 0x2c1b3c6d);
  return half ^ (half >>> 13);
}
