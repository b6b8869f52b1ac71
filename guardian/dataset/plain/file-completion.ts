import { contextStart, isAnswer, type Span } from './example.ts';
import type { DatasetSettings } from '../settings.ts';

/**
 * Cuts a whole file into answers that follow each other, each with what stands right before it.
 * A cut prefers a place between two blocks: before a line that is not indented, or after an empty one.
 */
export function fileSpans(lines: readonly string[], settings: DatasetSettings): Span[] {
  const spans: Span[] = [];
  for (let start = 0; start < lines.length; ) {
    const end = chunkEnd(lines, start, settings.maxAnswerChars);
    const trimmed = trimEnd(lines, start, end);
    if (isAnswer(lines, start, trimmed, settings)) {
      spans.push({ kind: 'file', from: contextStart(lines, start, settings.contextChars), start, end: trimmed });
    }
    start = end;
    while (start < lines.length && lines[start]!.trim() === '') start += 1;
  }
  return spans;
}

/** The line after the chunk that begins at `start`; at least one line further on. */
function chunkEnd(lines: readonly string[], start: number, maxChars: number): number {
  let end = start;
  let size = 0;
  // The best place to cut so far, in the second half of what fits.
  let best = -1;
  let bestScore = 0;
  while (end < lines.length) {
    size += lines[end]!.length + 1;
    if (size - 1 > maxChars) break;
    end += 1;
    if (size * 2 > maxChars) {
      const score = cutScore(lines, end);
      if (score >= bestScore && score > 0) [best, bestScore] = [end, score];
    }
  }
  if (end === lines.length) return end;
  if (end === start) return start + 1;
  return best > 0 ? best : end;
}

/** How good a cut before line `at` is: 2 between top-level blocks, 1 after an empty line. */
function cutScore(lines: readonly string[], at: number): number {
  if (lines[at - 1]!.trim() !== '') return 0;
  return /^\S/.test(lines[at] ?? '') ? 2 : 1;
}

function trimEnd(lines: readonly string[], start: number, end: number): number {
  let last = end;
  while (last > start && lines[last - 1]!.trim() === '') last -= 1;
  return last;
}
