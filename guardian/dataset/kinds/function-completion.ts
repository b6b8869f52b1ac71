import type { Definition } from '../parse/parsed-file.ts';
import type { DatasetSettings } from '../settings.ts';
import type { Example, StudyFile } from './example.ts';
import { indentOf, isBlank, sizeOf, stepBack, textOf, trimEnd } from './lines.ts';

/** Asks for the body of each function, by its signature, its documentation and what stands before it. */
export function functionExamples(study: StudyFile, settings: DatasetSettings): Example[] {
  const { lines, path } = study.file;
  return study.parsed.definitions.flatMap((definition): Example[] => {
    if (definition.kind !== 'function' && definition.kind !== 'method') return [];
    const body = bodyOf(lines, definition, settings.maxAnswerChars);
    if (body === undefined || sizeOf(lines, body.start, body.end) < settings.minAnswerChars) return [];
    const shown = shownBefore(study, definition, settings.contextChars);
    if (shown === undefined) return [];
    return [{
      kind: 'function_completion', file: study.file, start: body.start, end: body.end,
      chars: sizeOf(lines, body.start, body.end),
      reason: definition.doc === undefined ? 'a body for its signature' : 'a body for its signature and documentation',
      write: () => ({ prompt: `Complete the function ${definition.qualifiedName} in ${path}:\n\n${shown()}`, answer: textOf(study.file, body.start, body.end) }),
    }];
  });
}

/** The whole body: an answer that stops before would teach that functions end there. Undefined when it is too long. */
function bodyOf(lines: readonly string[], { header, body, end }: Definition, maxChars: number): { start: number; end: number } | undefined {
  let start = body;
  while (start < end && isBlank(lines[start]!)) start += 1;
  const stop = trimEnd(lines, start, end);
  // A body on the signature's own line can't be asked for by lines.
  return start <= header || start >= stop || sizeOf(lines, start, stop) > maxChars ? undefined : { start, end: stop };
}

/** What is shown: the head of what it stands in, what comes before, its documentation and signature. */
function shownBefore(study: StudyFile, definition: Definition, maxChars: number): (() => string) | undefined {
  const { lines, language } = study.file;
  const signature = sizeOf(lines, definition.header, definition.body);
  // A long docstring between signature and body makes it too long to show.
  if (signature > maxChars * 2) return undefined;
  return () => {
    const from = Math.min(definition.header, stepBack(lines, definition.body, Math.max(maxChars, signature + 1), study.start));
    const shown = textOf(study.file, from, definition.body);
    const outer = definition.parent === undefined ? undefined : study.parsed.definitions[definition.parent];
    if (outer === undefined || outer.header >= from || outer.header < study.start) return shown;
    // Lines that do not follow each other must not look as if they did.
    const left = outer.header + 1 < from ? `${' '.repeat(indentOf(lines[definition.header]!))}${language.functions === 'python' ? '#' : '//'} ...\n` : '';
    return `${lines[outer.header]!}\n${left}${shown}`;
  };
}
