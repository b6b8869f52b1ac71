import type { Row } from '../row.ts';
import type { SourceFile } from '../source-file.ts';
import type { DatasetSettings } from '../settings.ts';

/** Which lines of a file an answer is. Lines count from 0; `end` is the line after the last. */
export interface Span {
  kind: 'function' | 'file';
  /** First line of what is shown (context, comments, signature). */
  from: number;
  start: number;
  end: number;
  /** Of the function. */
  name?: string;
}

/** Writes a span out. What is asked and what is answered are the file's own lines, unaltered. */
export function renderRow(file: SourceFile, span: Span): Row {
  const shown = file.lines.slice(span.from, span.start).join('\n');
  return {
    messages: [
      { role: 'user', content: question(file.path, span, shown) },
      { role: 'assistant', content: answerOf(file, span) },
    ],
    kind: span.kind === 'function' ? 'function_completion' : 'file_completion',
    path: file.path,
    start_line: span.start + 1,
    end_line: span.end,
  };
}

export function answerOf(file: SourceFile, span: Span): string {
  return file.lines.slice(span.start, span.end).join('\n');
}

function question(path: string, span: Span, shown: string): string {
  if (span.kind === 'function') return `Complete the function ${span.name} in ${path}:\n\n${shown}`;
  if (span.start === 0) return `Write the beginning of the file ${path}.`;
  return `Continue the file ${path}:\n\n${shown}`;
}

/** Steps back from `line` over at most `chars` characters of whole lines. */
export function contextStart(lines: readonly string[], line: number, chars: number): number {
  let from = line;
  let size = 0;
  while (from > 0) {
    size += lines[from - 1]!.length + 1;
    if (size > chars) break;
    from -= 1;
  }
  return from;
}

/** Whether the lines are worth asking for: neither next to nothing nor too long. */
export function isAnswer(lines: readonly string[], start: number, end: number, settings: DatasetSettings): boolean {
  let length = 0;
  let solid = 0;
  for (let line = start; line < end; line += 1) {
    const text = lines[line]!;
    length += text.length + 1;
    solid += text.trim().length;
  }
  return solid >= settings.minAnswerChars && length - 1 <= settings.maxAnswerChars;
}
