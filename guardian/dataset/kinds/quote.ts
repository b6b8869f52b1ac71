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

/** As many of the places as fit, each once, in their order. */
export function fitting(places: readonly Place[], maxChars: number): Place[] {
  const kept: Place[] = [];
  const seen = new Set<string>();
  let size = 0;
  for (const place of places) {
    const text = quote(place);
    if (seen.has(text) || size + text.length + 1 > maxChars) continue;
    seen.add(text);
    size += text.length + 1;
    kept.push(place);
  }
  return kept;
}

export function quotes(places: readonly Place[]): string {
  return places.map(quote).join('\n');
}

export function spansOf(places: readonly Place[]): LineSpan[] {
  return places.map(({ file, line }) => ({ path: file.path, start_line: line + 1, end_line: line + 1 }));
}
