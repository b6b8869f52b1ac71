import { indentOf, isBlank } from './lines.ts';
import type { StudyFile } from './example.ts';

const heading = /^(?:#{1,6}\s|[=-]{3,}\s*$)/;

/**
 * How good a cut right before each line is: 4 before a definition at the top or a heading, 3 before one inside
 * another, 2 before a block at the left margin, 1 after an empty line, 0 elsewhere.
 */
export function bordersOf({ file: { lines, language }, parsed }: StudyFile): Uint8Array {
  const borders = new Uint8Array(lines.length + 1);
  for (let line = 1; line < lines.length; line += 1) {
    if (!isBlank(lines[line - 1]!) || isBlank(lines[line]!)) continue;
    borders[line] = indentOf(lines[line]!) === 0 ? 2 : 1;
    if (language.kind === 'prose' && heading.test(lines[line]!)) borders[line] = 4;
  }
  for (const { kind, first, parent } of parsed.definitions) {
    if (first > 0 && kind !== 'module') borders[first] = parent === undefined ? 4 : 3;
  }
  borders[lines.length] = 4;
  return borders;
}
