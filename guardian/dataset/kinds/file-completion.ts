import type { DatasetSettings } from '../settings.ts';
import { bordersOf } from './borders.ts';
import type { Example, StudyFile } from './example.ts';
import { isBlank, sizeOf, stepBack, textOf, trimEnd } from './lines.ts';

/** Cuts a whole file into answers that follow each other, each with what stands right before it. */
export function fileExamples(study: StudyFile, settings: DatasetSettings): Example[] {
  const { lines, path } = study.file;
  const borders = bordersOf(study);
  const examples: Example[] = [];
  for (let start = study.start; start < lines.length; ) {
    if (isBlank(lines[start]!)) {
      start += 1;
      continue;
    }
    const begin = start;
    const next = pieceEnd(lines, begin, borders, settings.pieceChars);
    const end = trimEnd(lines, begin, next);
    start = next;
    const chars = sizeOf(lines, begin, end);
    if (chars < settings.minAnswerChars || chars > settings.maxAnswerChars) continue;
    examples.push({
      kind: 'file_completion', file: study.file, start: begin, end, chars,
      reason: begin === study.start ? 'shows how the file begins' : 'shows what follows in the file, so that all of it is learnt',
      write: () => ({ prompt: question(path, textOf(study.file, stepBack(lines, begin, settings.contextChars, study.start), begin)), answer: textOf(study.file, begin, end) }),
    });
  }
  return examples;
}

function question(path: string, shown: string): string {
  return shown === '' ? `Write the beginning of the file ${path}.` : `Continue the file ${path}:\n\n${shown}`;
}

/** The line after the piece that begins at `start`: the best border in the last two thirds of what fits. */
function pieceEnd(lines: readonly string[], start: number, borders: Uint8Array, maxChars: number): number {
  let best = -1;
  let size = 0;
  let end = start;
  while (end < lines.length) {
    size += lines[end]!.length + 1;
    if (size - 1 > maxChars) break;
    end += 1;
    if (size * 3 > maxChars && borders[end]! > 0 && (best < 0 || borders[end]! >= borders[best]!)) best = end;
  }
  if (end === lines.length) return end;
  if (end === start) return start + 1;
  return best < 0 ? end : best;
}
