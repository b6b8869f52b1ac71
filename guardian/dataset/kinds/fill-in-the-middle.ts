import { seededShare } from '../hash.ts';
import type { DatasetSettings } from '../settings.ts';
import type { Example, StudyFile } from './example.ts';
import { indentOf, isBlank, sizeOf, stepBack, stepOn, textOf, trimEnd } from './lines.ts';

/** What is shown on each side; only the middle is learnt, so that it gets the most of a row. */
const sideChars = 220;
const minMiddleChars = 120;
const maxMiddleChars = 700;
/** Fewer lines hold no middle. */
const minLines = 6;

/** Asks for statements in the middle of a definition, given what comes before and after. Cuts are between statements. */
export function middleExamples(study: StudyFile, settings: DatasetSettings): Example[] {
  const { lines, path } = study.file;
  return study.parsed.definitions.flatMap((definition): Example[] => {
    if (definition.kind === 'module' || definition.kind === 'scope' || definition.end - definition.body < minLines) return [];
    const middle = middleOf(lines, definition.body, definition.end, seededShare(settings.seed, `middle ${path} ${definition.header}`));
    if (middle === undefined) return [];
    const { start, end } = middle;
    return [{
      kind: 'fill_in_the_middle', file: study.file, start, end,
      chars: sizeOf(lines, start, end),
      reason: `what stands in the middle of ${definition.qualifiedName}`,
      write: () => ({
        prompt:
          `Fill in the middle of ${path}. Before it:\n\n${textOf(study.file, stepBack(lines, start, sideChars, study.start), start)}\n\n` +
          `After it:\n\n${textOf(study.file, end, Math.max(stepOn(lines, end, sideChars), end + 1))}`,
        answer: textOf(study.file, start, end),
      }),
    }];
  });
}

/** Whole statements of the body at its own depth, not the first and not the last. @param share from 0 to 1: where */
function middleOf(lines: readonly string[], body: number, end: number, share: number): { start: number; end: number } | undefined {
  let first = body;
  while (first < end && isBlank(lines[first]!)) first += 1;
  if (first >= end) return undefined;
  const depth = indentOf(lines[first]!);
  const starts: number[] = [];
  for (let line = first + 1; line < end; line += 1) {
    const text = lines[line]!;
    if (!isBlank(text) && indentOf(text) <= depth && !/^\s*[)\]}]/.test(text)) starts.push(line);
  }
  // The last of them may only be where the middle ends: something has to stand after it.
  const begin = Math.floor(share * (starts.length - 1));
  for (let at = begin; at >= 0 && at < starts.length - 1; at += 1) {
    const start = starts[at]!;
    let stop = -1;
    for (let next = at + 1; next < starts.length && sizeOf(lines, start, starts[next]!) <= maxMiddleChars; next += 1) stop = starts[next]!;
    if (stop < 0) continue;
    stop = trimEnd(lines, start, stop);
    if (sizeOf(lines, start, stop) >= minMiddleChars) return { start, end: stop };
  }
  return undefined;
}
