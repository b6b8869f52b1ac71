import type { Definition } from '../parse/parsed-file.ts';
import type { DatasetSettings } from '../settings.ts';
import type { Example, StudyFile } from './example.ts';
import { indentOf, isBlank, sizeOf, stepBack, stepOn, textOf, trimEnd } from './lines.ts';

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
      write: () => ({ prompt: `Complete the function ${definition.qualifiedName} in ${path}:\n\n${shown()}`, answer: textOf(lines, body.start, body.end) }),
    }];
  });
}

/** The body, or as many of its statements as fit. Undefined when that is nothing. */
function bodyOf(lines: readonly string[], { body, end }: Definition, maxChars: number): { start: number; end: number } | undefined {
  let start = body;
  while (start < end && isBlank(lines[start]!)) start += 1;
  if (start >= end) return undefined;
  let stop = stepOn(lines, start, maxChars + 1, end);
  if (stop < end) {
    const indent = indentOf(lines[start]!);
    while (stop > start && (isBlank(lines[stop]!) || indentOf(lines[stop]!) > indent || /^\s*[)\]}]/.test(lines[stop]!))) stop -= 1;
  }
  stop = trimEnd(lines, start, stop);
  return stop > start ? { start, end: stop } : undefined;
}

/** What is shown: the head of what it stands in, what comes before, its documentation and signature. */
function shownBefore(study: StudyFile, definition: Definition, maxChars: number): (() => string) | undefined {
  const { lines } = study.file;
  const signature = sizeOf(lines, definition.header, definition.body);
  // A long docstring between signature and body makes it too long to show.
  if (signature > maxChars * 2) return undefined;
  return () => {
    const from = Math.min(definition.header, stepBack(lines, definition.body, Math.max(maxChars, signature + 1), study.start));
    const outer = definition.parent === undefined ? undefined : study.parsed.definitions[definition.parent];
    const head = outer === undefined || outer.header >= from || outer.header < study.start ? '' : `${lines[outer.header]!}\n`;
    return `${head}${textOf(lines, from, definition.body)}`;
  };
}
