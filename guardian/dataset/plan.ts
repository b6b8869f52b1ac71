import { hash } from 'node:crypto';
import { answerOf, type Span } from './example.ts';
import { fileSpans } from './file-completion.ts';
import { functionSpans } from './function-completion.ts';
import { likenessKey, seededShare } from './hash.ts';
import { createLeakFinder } from './leak.ts';
import type { DatasetSettings } from './settings.ts';
import type { SourceFile } from './source-file.ts';
import { split, type Side } from './split.ts';

/** A file with the examples to make of it. */
export interface PlannedFile {
  file: SourceFile;
  side: Side;
  spans: Span[];
}

export interface Plan {
  /** In the order of the files. */
  files: PlannedFile[];
  /** How many examples were left out, by reason. */
  dropped: Map<string, number>;
}

/** Decides which lines become examples, and on which side. A pure function. */
export function planExamples(files: readonly SourceFile[], settings: DatasetSettings): Plan {
  const dropped = new Map<string, number>();
  const drop = (reason: string): void => void dropped.set(reason, (dropped.get(reason) ?? 0) + 1);

  const cut = files.map((file) => ({ file, spans: spansOf(file, settings) })).filter(({ spans }) => spans.length > 0);
  const sides = split(cut.map(({ file }) => ({ key: file.path, group: likenessKey(file.lines.join('\n')) })), settings.heldoutShare, settings.seed);
  const planned = cut.map((entry, index) => ({ ...entry, side: sides[index]! }));

  const leaks = createLeakFinder();
  const heldout = planned.filter((entry) => entry.side === 'heldout');
  for (const { file, spans } of heldout) for (const span of spans) leaks.add(file.lines.slice(span.start, span.end));
  for (const { file, side } of planned) if (side === 'train') leaks.see(file.lines);

  const known = { train: new Set<string>(), heldout: new Set<string>() };
  for (const entry of planned) {
    entry.spans = entry.spans.filter((span) => {
      const answer = answerOf(entry.file, span);
      const key = hash('sha1', `${span.kind} ${answer}`, 'base64');
      const repeated = known[entry.side].has(key);
      const leaked = !repeated && entry.side === 'heldout' && leaks.leaked(answer.split('\n'));
      if (repeated) drop('repeated_answer');
      else if (leaked) drop('seen_in_training');
      else known[entry.side].add(key);
      return !repeated && !leaked;
    });
  }
  sampleHeldout(heldout, settings, drop);
  return { files: planned.filter(({ spans }) => spans.length > 0), dropped };
}

function spansOf(file: SourceFile, settings: DatasetSettings): Span[] {
  const functions = file.language.functions === undefined ? [] : functionSpans(file.lines, file.language.functions, settings);
  return [...fileSpans(file.lines, settings), ...functions].sort((a, b) => a.start - b.start || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0));
}

/** Keeps at most `maxHeldoutRows` examples, chosen by a seeded hash of where they stand. */
function sampleHeldout(heldout: readonly { file: SourceFile; spans: Span[] }[], settings: DatasetSettings, drop: (reason: string) => void): void {
  const place = (file: SourceFile, span: Span): number => seededShare(settings.seed, `${file.path}:${span.start}:${span.kind}`);
  const places = heldout.flatMap(({ file, spans }) => spans.map((span) => place(file, span))).sort((a, b) => a - b);
  const limit = places[settings.maxHeldoutRows];
  if (limit === undefined) return;
  for (const entry of heldout) {
    entry.spans = entry.spans.filter((span) => {
      const keep = place(entry.file, span) < limit;
      if (!keep) drop('over_heldout_limit');
      return keep;
    });
  }
}
