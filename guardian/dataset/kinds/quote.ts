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
  return places.length < 2 ? [...places] : [...new Map(places.map((place) => [`${place.line} ${place.file.path}`, place])).values()];
}

/** All of them, a line each with its end; undefined where that is longer than `maxChars`. */
export function quotes(places: readonly Place[], maxChars: number): string | undefined {
  let text = '';
  for (const place of places) {
    text += `${quote(place)}\n`;
    if (text.length > maxChars) return undefined;
  }
  return text.slice(0, -1);
}

export function spansOf(places: readonly Place[]): LineSpan[] {
  return places.map(({ file, line }) => ({ path: file.path, start_line: line + 1, end_line: line + 1 }));
}
