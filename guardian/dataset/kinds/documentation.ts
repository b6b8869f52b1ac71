import { sectionsOf } from '../parse/sections.ts';
import type { Definition } from '../parse/parsed-file.ts';
import type { SourceFile } from '../source-file.ts';
import type { StudyFile } from './example.ts';
import { isBlank, stepOn, trimEnd } from './lines.ts';

/** Signs that make a comment of text. What is left of a line still stands in the file, word by word. */
const opening = /^\s*(?:\/\*\*?!?|\/\/[/!]?|#+|\*(?!\/)|[rRuUbB]{0,2}("""|'''|"|'))?\s?/;
const closing = /\s*(?:\*\/|"""|''')\s*$/;

/** A text that says what a definition is: where it stands, and its words line by line. */
export interface Documentation {
  file: SourceFile;
  start: number;
  end: number;
  text: string;
}

/** The definition's own documentation, as many lines as fit. Undefined when there is none of some length. */
export function ownDocumentation({ file }: StudyFile, { doc }: Definition, minChars: number, maxChars: number): Documentation | undefined {
  if (doc === undefined) return undefined;
  const end = stepOn(file.lines, doc.start, maxChars, doc.end);
  const words: string[] = [];
  let inBlock = false;
  for (const line of file.lines.slice(doc.start, end)) words.push(commentWords(line, inBlock, () => (inBlock = true)));
  const text = words.join('\n').replace(/^\s*\n|\s+$/g, '');
  return text.length < minChars ? undefined : { file, start: doc.start, end, text };
}

/** Inside of a docstring, lines begin with no sign; a `#` or `*` there is the text's own. */
function commentWords(line: string, inBlock: boolean, enter: () => void): string {
  const quotes = inBlock ? null : opening.exec(line);
  if (quotes?.[1] !== undefined) enter();
  const words = inBlock ? line.trimStart() : line.slice(quotes?.[0].length ?? 0);
  const rest = words.replace(closing, '').trimEnd();
  return quotes?.[1]?.length === 1 && rest.endsWith(quotes[1]) ? rest.slice(0, -1) : rest;
}

/** Finds sections of prose files that name a definition in code marks. */
export function createSectionIndex(files: readonly StudyFile[]) {
  const byName = new Map<string, { file: SourceFile; start: number; end: number }>();
  for (const { file } of files) {
    if (file.language.kind !== 'prose') continue;
    for (const { heading, start, end } of sectionsOf(file.lines)) {
      for (const [, name] of heading.matchAll(/`?([A-Za-z_][\w.:]{2,})(?:\(.*\))?`?/g)) if (!byName.has(name!)) byName.set(name!, { file, start, end });
    }
  }
  return {
    /** The section with the definition's name in its heading; of several the first. */
    find({ name, qualifiedName }: Definition, minChars: number, maxChars: number): Documentation | undefined {
      const section = byName.get(qualifiedName) ?? byName.get(name);
      if (section === undefined) return undefined;
      const { file, start } = section;
      let first = start + 1;
      while (first < section.end && (isBlank(file.lines[first]!) || /^[=~-]{3,}\s*$/.test(file.lines[first]!))) first += 1;
      const end = trimEnd(file.lines, first, stepOn(file.lines, first, maxChars, section.end));
      const text = file.lines.slice(first, end).join('\n');
      return text.length < minChars ? undefined : { file, start: first, end, text };
    },
  };
}
