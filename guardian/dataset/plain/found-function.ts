/** Where a function lies. Lines count from 0; the body is `[body, end)`, its closing brace included. */
export interface FoundFunction {
  name: string;
  header: number;
  body: number;
  end: number;
}

/** A signature over more lines is passed over. */
export const maxSignatureLines = 12;

export function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
