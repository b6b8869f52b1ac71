import { languageOf, type Language } from './language.ts';

/** A text file of the tree, in lines without their ends. */
export interface SourceFile {
  path: string;
  language: Language;
  lines: readonly string[];
  /** The lines joined by `\n`. */
  text: string;
}

export function sourceFile(path: string, text: string): SourceFile {
  const trimmed = text.replace(/\n+$/, '');
  return { path, language: languageOf(path), lines: trimmed.split('\n'), text: trimmed };
}
