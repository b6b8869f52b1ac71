/**
 * Cuts a text between characters that stand side by side in no token of the vocabulary. A merge of byte pair encoding
 * across such a place would make a token that has both, so encoding the pieces gives the tokens of the whole.
 */
export function createPieceCutter(vocabulary: readonly string[]): (text: string, take: (piece: string) => void) => void {
  const pairs = new Set<number>();
  for (const token of vocabulary) for (let at = 1; at < token.length; at += 1) pairs.add(pairOf(token, at));
  return (text, take) => {
    let start = 0;
    for (let at = 1; at < text.length; at += 1) {
      // The halves of a character beyond 16 bits stay together.
      if (pairs.has(pairOf(text, at)) || isLowHalf(text.charCodeAt(at))) continue;
      take(text.slice(start, at));
      start = at;
    }
    if (start < text.length) take(text.slice(start));
  };
}

function pairOf(text: string, at: number): number {
  return text.charCodeAt(at - 1) * 65_536 + text.charCodeAt(at);
}

function isLowHalf(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
