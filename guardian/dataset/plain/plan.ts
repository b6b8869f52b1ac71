import { hash } from 'node:crypto';
import { createCounter, type Plan, type Side } from '../row.ts';
import { answerOf, renderRow, type Span } from './example.ts';
import { fileSpans } from './file-completion.ts';
import { functionSpans } from './function-completion.ts';
import { likenessKey, seededShare } from '../hash.ts';
import { createLeakFinder } from './leak.ts';
import { findSecrets } from '../secrets/find-secrets.ts';
import type { DatasetSettings } from '../settings.ts';
import type { SourceFile } from '../source-file.ts';
import { split } from '../split.ts';

/** A file with the examples to make of it. */
interface PlannedFile {
  file: SourceFile;
  side: Side;
  spans: Span[];
}

/**
 * Decides which lines become examples, and on which side: a function of files and settings alone.
 * @param breathe called between pieces of work
 */
export async function planPlain(files: readonly SourceFile[], settings: DatasetSettings, breathe: () => Promise<void>): Promise<Plan> {
  const dropped = createCounter();
  const drop = (reason: string): void => dropped.add(reason);

  const cut: { file: SourceFile; spans: Span[]; group: string }[] = [];
  for (const file of files) {
    await breathe();
    const spans = spansOf(file, settings);
    if (spans.length > 0) cut.push({ file, spans, group: likenessKey(file.lines.join('\n')) });
  }
  const sides = split(cut.map(({ file, group }) => ({ key: file.path, group })), settings.heldoutShare, settings.seed);
  const planned = cut.map(({ file, spans }, index): PlannedFile => ({ file, spans, side: sides[index]! }));
  const heldout = planned.filter(({ side }) => side === 'heldout');
  const training = planned.filter(({ side }) => side === 'train');

  const leaks = createLeakFinder();
  for (const { file, spans } of heldout) for (const span of spans) leaks.add(file.lines.slice(span.start, span.end));
  for (const { file } of training) {
    await breathe();
    leaks.see(file.lines);
  }
  dropRepeated(training, drop);
  for (const entry of heldout) {
    await breathe();
    entry.spans = keep(entry.spans, 'seen_in_training', drop, (span) => !leaks.leaked(entry.file.lines.slice(span.start, span.end)));
  }
  dropRepeated(heldout, drop);
  sampleHeldout(heldout, settings, drop);
  return {
    rows: render(planned),
    count: planned.reduce((sum, { spans }) => sum + spans.length, 0),
    // A file is written whole here, so that one with a secret can't be.
    heldoutFiles: heldout.filter(({ file }) => findSecrets(file.text).length === 0).map(({ file }) => ({ path: file.path, language: file.language.name, text: file.lines.join('\n') })),
    filesDropped: new Map(),
    rowsDropped: dropped.counts,
  };
}

function* render(planned: readonly PlannedFile[]): Plan['rows'] {
  for (const { file, side, spans } of planned) for (const span of spans) yield { side, row: renderRow(file, span), language: file.language.name };
}

/** One answer is asked for once on a side, where it stands first. */
function dropRepeated(files: readonly PlannedFile[], drop: (reason: string) => void): void {
  const known = new Set<string>();
  for (const entry of files) {
    entry.spans = keep(entry.spans, 'repeated_answer', drop, (span) => {
      const before = known.size;
      return known.add(hash('sha1', `${span.kind} ${answerOf(entry.file, span)}`, 'base64')).size > before;
    });
  }
}

function keep(spans: readonly Span[], reason: string, drop: (reason: string) => void, wanted: (span: Span) => boolean): Span[] {
  return spans.filter((span) => {
    const kept = wanted(span);
    if (!kept) drop(reason);
    return kept;
  });
}

function spansOf(file: SourceFile, settings: DatasetSettings): Span[] {
  const functions = file.language.functions === undefined ? [] : functionSpans(file.lines, file.language.functions, settings);
  return [...fileSpans(file.lines, settings), ...functions].sort((a, b) => a.start - b.start || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0));
}

/** Keeps at most `maxHeldoutRows` examples, chosen by a seeded hash of where they stand. */
function sampleHeldout(heldout: readonly PlannedFile[], settings: DatasetSettings, drop: (reason: string) => void): void {
  const place = (file: SourceFile, span: Span): number => seededShare(settings.seed, `${file.path}:${span.start}:${span.kind}`);
  const places = heldout.flatMap(({ file, spans }) => spans.map((span) => place(file, span))).sort((a, b) => a - b);
  const limit = places[settings.maxHeldoutRows];
  if (limit === undefined) return;
  for (const entry of heldout) entry.spans = keep(entry.spans, 'over_heldout_limit', drop, (span) => place(entry.file, span) < limit);
}
