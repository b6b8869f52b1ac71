import { languageOf, type Language } from './language.ts';

/** A text file of the tree, in lines without their ends. */
export interface SourceFile {
  path: string;
  language: Language;
  lines: readonly string[];
  /** The lines joined by `\n`. */
  text: string;
  /** Where in the text each line begins, and where one after the last would. */
  starts: Uint32Array;
}

export function sourceFile(path: string, text: string): SourceFile {
  const trimmed = text.replace(/\n+$/, '');
  const lines = trimmed.split('\n');
  return { path, language: languageOf(path), lines, text: trimmed, starts: startsOf(lines) };
}

function startsOf(lines: readonly string[]): Uint32Array {
  const starts = new Uint32Array(lines.length + 1);
  for (let line = 0; line < lines.length; line += 1) starts[line + 1] = starts[line]! + lines[line]!.length + 1;
  return starts;
}
