import { languageOf, type Language } from './language.ts';

/** A text file of the tree, in lines without their ends. */
export interface SourceFile {
  path: string;
  language: Language;
  lines: readonly string[];
}

export function sourceFile(path: string, text: string): SourceFile {
  return { path, language: languageOf(path), lines: text.replace(/\n+$/, '').split('\n') };
}
