import { sectionsOf } from '../parse/sections.ts';
import type { Definition } from '../parse/parsed-file.ts';
import type { SourceFile } from '../source-file.ts';
import type { StudyFile } from './example.ts';
import { isBlank, sizeOf, textOf } from './lines.ts';
import type { NameIndex } from './names.ts';

/** Signs that make a comment of text. What is left of a line still stands in the file, word by word. */
const opening = /^\s*(?:\/\*\*?!?|\/\/[/!]?|#+|\*(?!\/)|[rRuUbB]{0,2}("""|'''|"|'))?\s?/;
const closing = /\s*(?:\*\/|"""|''')\s*$/;
/** What a heading is about: a name in code marks, or one with the brackets of a call. */
const headingName = /`([A-Za-z_][\w.:]{2,})(?:\([^`]*\))?`|(?<![\w.:`])([A-Za-z_][\w.:]{2,})\(/g;

/** A text that says what a definition is: where it stands, and its words line by line. */
export interface Documentation {
  file: SourceFile;
  start: number;
  end: number;
  text: string;
}

/** The definition's own documentation, whole. Undefined when there is none of some length, or it does not fit. */
export function ownDocumentation({ file }: StudyFile, { doc }: Definition, minChars: number, maxChars: number): Documentation | undefined {
  if (doc === undefined || sizeOf(file.lines, doc.start, doc.end) > maxChars) return undefined;
  const words: string[] = [];
  let inBlock = false;
  for (const line of file.lines.slice(doc.start, doc.end)) words.push(commentWords(line, inBlock, () => (inBlock = true)));
  const text = words.join('\n').replace(/^\s*\n|\s+$/g, '');
  return text.length < minChars ? undefined : { file, start: doc.start, end: doc.end, text };
}

/** Inside of a docstring, lines begin with no sign; a `#` or `*` there is the text's own. */
function commentWords(line: string, inBlock: boolean, enter: () => void): string {
  const quotes = inBlock ? null : opening.exec(line);
  if (quotes?.[1] !== undefined) enter();
  const words = inBlock ? line.trimStart() : line.slice(quotes?.[0].length ?? 0);
  const rest = words.replace(closing, '').trimEnd();
  return quotes?.[1]?.length === 1 && rest.endsWith(quotes[1]) ? rest.slice(0, -1) : rest;
}

/** Finds sections of prose files that name a definition, as code, which no other can be meant by. */
export function createSectionIndex(files: readonly StudyFile[], names: NameIndex) {
  const sections = new Map<Definition, { file: SourceFile; start: number; end: number }>();
  for (const { file } of files) {
    if (file.language.kind !== 'prose') continue;
    for (const { heading, start, end } of sectionsOf(file.lines)) {
      const found = new Set([...heading.matchAll(headingName)].map(([, marked, called]) => names.find(marked ?? called!)));
      const [definition] = found;
      // A heading with several names is about what they have in common.
      if (found.size === 1 && definition !== undefined && !sections.has(definition)) sections.set(definition, { file, start, end });
    }
  }
  return {
    /** The section with the definition's name in its heading, as many paragraphs as fit; of several the first. */
    find(definition: Definition, minChars: number, maxChars: number): Documentation | undefined {
      const section = sections.get(definition);
      if (section === undefined) return undefined;
      const { file, start } = section;
      let first = start + 1;
      while (first < section.end && (isBlank(file.lines[first]!) || /^[=~-]{3,}\s*$/.test(file.lines[first]!))) first += 1;
      const end = paragraphsEnd(file.lines, first, maxChars, section.end);
      const text = textOf(file, first, end);
      return text.length < minChars ? undefined : { file, start: first, end, text };
    },
  };
}

/** The line after the last paragraph that fits. */
function paragraphsEnd(lines: readonly string[], first: number, maxChars: number, most: number): number {
  let end = first;
  for (let line = first; line < most && sizeOf(lines, first, line + 1) <= maxChars; line += 1) {
    if (!isBlank(lines[line]!) && (line + 1 === most || isBlank(lines[line + 1]!))) end = line + 1;
  }
  return end;
}
