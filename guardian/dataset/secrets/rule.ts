/**
 * One form of secret. Its marks are literal text that each such secret has; only where one stands is the pattern
 * tried. So clean text costs one pass for the marks, however many rules there are.
 *
 * A pattern must be linear in what it reads: no quantifier inside another, and a run without bound only behind a
 * look-behind that lets each run be entered once.
 */
export interface SecretRule {
  kind: string;
  marks: readonly string[];
  /** Sticky with indices (`dy`), tried at a mark's first character. Its group `value`, or else all of it, is the secret. */
  pattern: RegExp;
  /** Whether it is a real one. @param at where the match begins in the text */
  accept(value: string, text: string, at: number): boolean;
}

/** Where a secret stands, in characters of the text. What it is, is never said. */
export interface SecretFinding {
  kind: string;
  start: number;
  end: number;
}
