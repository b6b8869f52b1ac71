import type { SourceFile } from '../source-file.ts';

/** Lines as text, without empty ones at the end: a slice of the file's text. */
export function textOf({ lines, starts, text }: SourceFile, start: number, end: number): string {
  const last = trimEnd(lines, start, end);
  return last > start ? text.slice(starts[start]!, starts[last]! - 1) : '';
}

export function trimEnd(lines: readonly string[], start: number, end: number): number {
  let last = end;
  while (last > start && isBlank(lines[last - 1]!)) last -= 1;
  return last;
}

export function isBlank(line: string): boolean {
  return line.length === 0 || line.trim() === '';
}

export function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** Characters of lines joined by `\n`. */
export function sizeOf(lines: readonly string[], start: number, end: number): number {
  let size = end > start ? -1 : 0;
  for (let line = start; line < end; line += 1) size += lines[line]!.length + 1;
  return size;
}

/** Steps back from `line`, not before `least`, over at most `chars` characters of whole lines. */
export function stepBack(lines: readonly string[], line: number, chars: number, least = 0): number {
  let from = line;
  for (let size = 0; from > least; from -= 1) {
    size += lines[from - 1]!.length + 1;
    if (size > chars) break;
  }
  return from;
}

/** The same forwards: the line after the last that fits. */
export function stepOn(lines: readonly string[], line: number, chars: number, most = lines.length): number {
  let to = line;
  for (let size = 0; to < most; to += 1) {
    size += lines[to]!.length + 1;
    if (size > chars) break;
  }
  return to;
}
