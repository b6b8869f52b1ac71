/** Lines that belong to what follows them: comments, decorators and attributes. */
const commentLine = /^\s*(?:\/\/|#(?!\s*(?:include|define|if|ifdef|ifndef|else|elif|endif|pragma|undef|error|import)\b)|\/\*|\*)/;
const attributeLine = /^\s*(?:@\w|#\[|\[\[)/;
const maxLines = 80;

export interface Above {
  /** The first line that belongs to the definition. */
  first: number;
  /** The comment among them. */
  doc?: { start: number; end: number };
}

/**
 * What stands right above a definition and belongs to it.
 * @param header the definition's own first line
 */
export function readAbove(lines: readonly string[], header: number): Above {
  let first = header;
  let doc: { start: number; end: number } | undefined;
  while (first > 0 && header - first < maxLines) {
    const line = lines[first - 1]!;
    if (attributeLine.test(line)) {
      first -= 1;
    } else if (line.trimEnd().endsWith('*/')) {
      const start = blockStart(lines, first - 1);
      if (start === undefined) break;
      doc = { start, end: doc?.end ?? first };
      first = start;
    } else if (commentLine.test(line)) {
      doc = { start: first - 1, end: doc?.end ?? first };
      first -= 1;
    } else break;
  }
  return doc === undefined ? { first } : { first, doc };
}

/** The line on which the block comment begins that ends on line `end`; it must be alone there. */
function blockStart(lines: readonly string[], end: number): number | undefined {
  for (let line = end; line >= 0 && end - line < maxLines; line -= 1) {
    const open = lines[line]!.indexOf('/*');
    if (open >= 0) return lines[line]!.slice(0, open).trim() === '' ? line : undefined;
  }
  return undefined;
}
