import type { ParsedFile } from '../parse/parsed-file.ts';
import type { Kind, LineSpan, Row } from '../row.ts';
import type { SourceFile } from '../source-file.ts';

/** A file to make examples of. */
export interface StudyFile {
  file: SourceFile;
  parsed: ParsedFile;
  /** Lines before it are a licence's header, and not asked for. */
  start: number;
}

/** An example not yet written out. Lines count from 0; `end` is the line after the last. */
export interface Example {
  kind: Kind;
  file: SourceFile;
  start: number;
  end: number;
  reason: string;
  /** Length of the answer. */
  chars: number;
  spans?: readonly LineSpan[];
  commit?: string;
  /** Files beside its own that its text is taken from. */
  others?: readonly SourceFile[];
  write(): { prompt: string; answer: string };
}

export function renderExample(example: Example): Row {
  const { prompt, answer } = example.write();
  return {
    messages: [
      { role: 'user', content: prompt },
      { role: 'assistant', content: answer },
    ],
    kind: example.kind,
    path: example.file.path,
    start_line: example.start + 1,
    end_line: example.end,
    reason: example.reason,
    ...(example.spans === undefined ? {} : { spans: [...example.spans] }),
    ...(example.commit === undefined ? {} : { commit: example.commit }),
  };
}
