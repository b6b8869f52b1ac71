import { buildGraph, type RepositoryGraph } from '../graph/graph.ts';
import { commitExamples } from '../kinds/commit-message.ts';
import { renderExample, type Example, type StudyFile } from '../kinds/example.ts';
import { explanationExamples } from '../kinds/explanation.ts';
import { fileExamples } from '../kinds/file-completion.ts';
import { middleExamples } from '../kinds/fill-in-the-middle.ts';
import { functionExamples } from '../kinds/function-completion.ts';
import { createNameIndex, type NameIndex } from '../kinds/names.ts';
import { questionExamples } from '../kinds/question.ts';
import { retrievalExamples } from '../kinds/retrieval.ts';
import { parseFile } from '../parse/parse.ts';
import { createCounter, kinds, type HeldoutFile, type Plan, type Side } from '../row.ts';
import type { DatasetSettings } from '../settings.ts';
import type { SourceFile } from '../source-file.ts';
import { balance, placeOf } from './balance.ts';
import { cleanFiles, textAfterHeader } from './clean.ts';
import { createSecretGuard } from './secret-guard.ts';
import { separate } from './separate.ts';
import { createAnswerSet } from './answer-set.ts';
import { sampleFiles, sidesOf } from './sides.ts';

export interface FullOptions {
  files: readonly SourceFile[];
  repository: string;
  commit: string;
  settings: DatasetSettings;
  signal: AbortSignal;
  breathe(): Promise<void>;
  /** Called with a share from 0 to 1. */
  progress(share: number): void;
}

/** How far the progress is once all files are parsed. */
const parsedShare = 0.6;

/**
 * Decides on all examples and their sides: each side's text comes from that side's files and history alone. Names and
 * the graph are of both, for what is true of one side only is not true of the repository.
 */
export async function planFull(options: FullOptions): Promise<Plan> {
  const { settings, breathe, signal, progress } = options;
  const filesDropped = createCounter();
  const rowsDropped = createCounter();
  const clean = await cleanFiles(options.files, filesDropped.add, breathe);
  const sides = sidesOf(clean.map(({ file }) => file), settings);
  const sided = clean.map((one, index) => ({ ...one, side: sides[index]! }));
  const studies: Record<Side, StudyFile[]> = { train: [], heldout: [] };
  const parsed = { files: 0, broken: 0 };
  for (const [index, { file, start, side }] of sided.entries()) {
    await breathe();
    const study: StudyFile = { file, parsed: await parseFile(file.path, file.text, file.lines), start };
    if (study.parsed.definitions.length > 0 || study.parsed.broken) parsed.files += 1;
    if (study.parsed.broken) parsed.broken += 1;
    studies[side].push(study);
    progress(((index + 1) / sided.length) * parsedShare);
  }
  const commits = await commitExamples(options.repository, options.commit, settings, new Map(sided.map((one) => [one.file.path, one])), signal);
  if (commits.unread > 0) rowsDropped.add('history_over_limit', commits.unread);
  const guard = await createSecretGuard(clean.map(({ file }) => file), breathe);
  const everything = [...studies.train, ...studies.heldout];
  const names = createNameIndex(everything);
  const graph = await buildGraph(everything, breathe);
  const made = {} as Record<Side, Example[]>;
  // Answers too short to share a run of 50 tokens are compared whole.
  const answers = { train: createAnswerSet(), heldout: createAnswerSet() };
  for (const side of ['train', 'heldout'] as const) {
    const all = [...(await examplesOf(studies[side], { names, graph }, settings, breathe)), ...commits.examples[side]];
    const wanted = (example: Example): boolean => {
      const reason = guard.shows(example) ? 'secret' : !answers[side].add(example) ? 'repeated_answer' : side === 'heldout' && answers.train.has(example) ? 'seen_in_training' : undefined;
      if (reason !== undefined) rowsDropped.add(reason);
      return reason === undefined;
    };
    // The shares are measured against file completion, so that it is looked at first. Of the rest only what is chosen
    // is: most is not, and each look writes an example out.
    const files = new Set(await keep(all.filter(isOfFile), breathe, wanted));
    const { kept, dropped } = balance(all.filter((example) => !isOfFile(example) || files.has(example)), settings);
    if (dropped > 0) rowsDropped.add('over_share', dropped);
    const chosen = side === 'heldout' ? sample(kept, settings, rowsDropped.add) : kept;
    made[side] = await keep(chosen, breathe, (example) => files.has(example) || wanted(example));
  }
  progress(0.8);
  // A held-out file is written whole, so that one with a secret can't be.
  const whole = studies.heldout.filter(({ file }) => !guard.holdsSecret(file));
  if (whole.length < studies.heldout.length) filesDropped.add('secret', studies.heldout.length - whole.length);
  const rows = await separate({ ...made, heldoutFiles: whole.map(wholeFile) }, { row: rowsDropped.add, file: filesDropped.add }, breathe);
  progress(1);
  return {
    rows: render(options.files, rows),
    count: rows.train.length + rows.heldout.length,
    heldoutFiles: sampleFiles(rows.heldoutFiles, settings),
    filesDropped: filesDropped.counts,
    rowsDropped: rowsDropped.counts,
    parsed,
    ...(commits.gap === undefined ? {} : { historyGap: commits.gap }),
  };
}

async function examplesOf(studies: readonly StudyFile[], { names, graph }: { names: NameIndex; graph: RepositoryGraph }, settings: DatasetSettings, breathe: () => Promise<void>): Promise<Example[]> {
  const examples: Example[] = [];
  for (const study of studies) {
    await breathe();
    examples.push(...fileExamples(study, settings), ...functionExamples(study, settings), ...middleExamples(study, settings));
  }
  return [...examples, ...explanationExamples(studies, names), ...questionExamples(studies, graph, names), ...retrievalExamples(studies, names, settings)];
}

async function keep(examples: readonly Example[], breathe: () => Promise<void>, wanted: (example: Example) => boolean): Promise<Example[]> {
  const kept: Example[] = [];
  for (const example of examples) {
    await breathe();
    if (wanted(example)) kept.push(example);
  }
  return kept;
}

function isOfFile({ kind }: Example): boolean {
  return kind === 'file_completion';
}

/** At most `maxHeldoutRows`, of each kind by its share of the characters, by a seeded hash of where they stand. */
function sample(heldout: readonly Example[], settings: DatasetSettings, drop: (reason: string, count: number) => void): Example[] {
  if (heldout.length <= settings.maxHeldoutRows) return [...heldout];
  const total = heldout.reduce((sum, { chars }) => sum + chars, 0);
  const kept = new Set<Example>();
  for (const own of Map.groupBy(heldout, ({ kind }) => kind).values()) {
    const rows = Math.floor((settings.maxHeldoutRows * own.reduce((sum, { chars }) => sum + chars, 0)) / total);
    const places = own.map((example) => ({ example, place: placeOf(example, settings.seed) })).sort((a, b) => a.place - b.place);
    for (const { example } of places.slice(0, rows)) kept.add(example);
  }
  drop('over_heldout_limit', heldout.length - kept.size);
  return heldout.filter((example) => kept.has(example));
}

function wholeFile(study: StudyFile): HeldoutFile {
  return { path: study.file.path, language: study.file.language.name, text: textAfterHeader(study) };
}

/** In the order of files and lines. */
function* render(files: readonly SourceFile[], rows: Record<Side, readonly Example[]>): Plan['rows'] {
  const order = new Map(files.map((file, index) => [file, index]));
  for (const side of ['train', 'heldout'] as const) {
    const sorted = rows[side].map((example, made) => ({ example, made, place: order.get(example.file)!, kind: kinds.indexOf(example.kind) }));
    sorted.sort((a, b) => a.place - b.place || a.example.start - b.example.start || a.kind - b.kind || a.made - b.made);
    for (const { example } of sorted) yield { side, row: renderExample(example), language: example.file.language.name };
  }
}
