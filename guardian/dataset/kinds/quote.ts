import type { LineSpan } from '../row.ts';
import type { SourceFile } from '../source-file.ts';

/** A line of a file, counted from 0. */
export interface Place {
  file: SourceFile;
  line: number;
}

/** Lines as `grep -n` shows them: `path:number:text`. What is said is then the repository's own words, with their place. */
export function quote({ file, line }: Place): string {
  return `${file.path}:${line + 1}:${file.lines[line]!}`;
}

/** Each place once, in their order. */
export function distinct(places: readonly Place[]): Place[] {
  return [...new Map(places.map((place) => [`${place.line} ${place.file.path}`, place])).values()];
}

/** Whether all of them can be quoted. */
export function fits(places: readonly Place[], maxChars: number): boolean {
  return places.reduce((size, place) => size + quote(place).length + 1, 0) <= maxChars;
}

export function quotes(places: readonly Place[]): string {
  return places.map(quote).join('\n');
}

export function spansOf(places: readonly Place[]): LineSpan[] {
  return places.map(({ file, line }) => ({ path: file.path, start_line: line + 1, end_line: line + 1 }));
}
