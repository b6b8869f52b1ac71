/** Lines that belong to what follows them: comments, decorators and attributes. In JavaScript `#count` is a field. */
const marks = {
  slashes: { comment: /^\s*\/\//, attribute: /^\s*(?:@\w|#!?\[|\[\[)/ },
  hash: { comment: /^\s*#/, attribute: /^\s*@\w/ },
};
/** Comments that speak to a tool and not to a reader. */
const directive = /^\s*(?:\/\/(?:go:|line |export |nolint|lint:)|(?:\/\/|\/\*)\s*(?:eslint|tslint|jshint|jslint|prettier-|biome-|oxlint|@ts-|c8 |v8 |istanbul |NOLINT|clang-|noinspection|#?(?:end)?region\b)|#\s*(?:pylint|noqa|type:\s*ignore|flake8|mypy|pragma|fmt:|isort|yapf|ruff|pyright|nosec|-\*-|!\/|(?:end)?region\b))/i;
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
 * @param sign what comments of the language begin with
 */
export function readAbove(lines: readonly string[], header: number, sign: keyof typeof marks): Above {
  const { comment, attribute } = marks[sign];
  let first = header;
  let doc: { start: number; end: number } | undefined;
  while (first > 0 && header - first < maxLines) {
    const line = lines[first - 1]!;
    if (attribute.test(line)) {
      first -= 1;
    } else if (directive.test(line)) {
      first -= 1;
      // What stands above it is another comment.
      if (doc !== undefined) break;
    } else if (sign === 'slashes' && line.trimEnd().endsWith('*/')) {
      const start = blockStart(lines, first - 1);
      if (start === undefined) break;
      doc = { start, end: doc?.end ?? first };
      first = start;
    } else if (comment.test(line)) {
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
