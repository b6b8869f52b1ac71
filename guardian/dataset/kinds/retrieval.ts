import { seededShare } from '../hash.ts';
import type { Definition } from '../parse/parsed-file.ts';
import type { DatasetSettings } from '../settings.ts';
import { ownDocumentation } from './documentation.ts';
import type { Example, StudyFile } from './example.ts';
import { sizeOf, stepOn, textOf } from './lines.ts';
import type { NameIndex } from './names.ts';
import { quote } from './quote.ts';

/** Documents of an example: with one that answers, or all of them others. */
const documents = 3;
const documentChars = 280;
const minDocChars = 40;

/** A definition as a document: lines that always hold its header, and its documentation whole or not at all. */
interface Entry {
  study: StudyFile;
  definition: Definition;
  start: number;
  end: number;
}

/**
 * Asks what a definition does, with documents of the repository to look it up in: RAFT (Zhang et al. 2024,
 * https://arxiv.org/abs/2403.10131). A seeded share lacks the document that answers; what is right stays the same, and
 * has to be known. The answer is the lines of the documentation, between RAFT's marks where they were shown, and the
 * definition's first line with its place.
 * @param names of both sides
 */
export function retrievalExamples(files: readonly StudyFile[], names: NameIndex, settings: DatasetSettings): Example[] {
  const entries = files.flatMap((study) => study.parsed.definitions.flatMap((definition) => entryOf(study, definition)));
  if (entries.length < documents * 2) return [];
  return entries.flatMap((entry, index): Example[] => {
    const { study, definition } = entry;
    const { path } = study.file;
    const doc = ownDocumentation(study, definition, minDocChars, documentChars);
    if (doc === undefined || doc.start < entry.start || doc.end > entry.end) return [];
    const asked = names.isOnly(definition) ? definition.qualifiedName : names.isOnlyIn(study, definition) ? `${definition.qualifiedName} in ${path}` : undefined;
    if (asked === undefined) return [];
    const key = `${path} ${definition.header}`;
    const hasOracle = seededShare(settings.seed, `oracle ${key}`) >= settings.noOracleShare;
    const said = textOf(study.file, doc.start, doc.end);
    const shown = pick(entries, index, seededShare(settings.seed, `distractors ${key}`), hasOracle ? documents - 1 : documents);
    if (shown === undefined || shown.some((one) => documentText(one).includes(said))) return [];
    if (hasOracle) shown.splice(Math.floor(seededShare(settings.seed, `place ${key}`) * documents), 0, entry);
    const place = quote({ file: study.file, line: definition.header });
    const answer = `${hasOracle ? `##begin_quote##\n${said}\n##end_quote##` : said}\n${place}`;
    return [{
      kind: 'retrieval', file: study.file, start: Math.min(doc.start, definition.header), end: Math.max(doc.end, definition.header + 1),
      chars: answer.length,
      reason: hasOracle ? 'the answer is in one of the documents shown' : 'none of the documents shown has the answer',
      others: shown.map((one) => one.study.file),
      write: () => ({ prompt: `${shown.map(documentText).join('\n\n')}\n\nWhat does ${asked} do, and where is it?`, answer }),
    }];
  });
}

/** None for what is no document: a definition without lines of its own, or with a header that does not fit. */
function entryOf(study: StudyFile, definition: Definition): Entry[] {
  const { lines } = study.file;
  const { kind, first, header, doc, end } = definition;
  if (kind === 'scope' || kind === 'module' || end - first <= 2) return [];
  const starts = [first, ...(doc === undefined || doc.start > header ? [] : [doc.start]), header];
  const start = starts.find((line) => sizeOf(lines, line, Math.max(header + 1, doc === undefined || doc.end < line ? 0 : doc.end)) < documentChars) ?? header;
  const stop = stepOn(lines, start, documentChars, end);
  return stop > header ? [{ study, definition, start, end: stop }] : [];
}

/** Others than `index`, one from each of as many stretches of the list: near ones and far ones. Undefined: too few. */
function pick(entries: readonly Entry[], index: number, share: number, count: number): Entry[] | undefined {
  const picked: Entry[] = [];
  const used = new Set([index]);
  const step = Math.max(1, Math.floor(entries.length / count));
  for (let at = Math.floor(share * entries.length); picked.length < count; ) {
    if (used.size === entries.length) return undefined;
    const one = at % entries.length;
    at += used.has(one) ? 1 : step;
    if (used.has(one)) continue;
    used.add(one);
    if (!overlaps(entries[one]!, entries[index]!)) picked.push(entries[one]!);
  }
  return picked;
}

/** Whether two show lines in common: a class and its first method. */
function overlaps(a: Entry, b: Entry): boolean {
  return a.study === b.study && a.start < b.end && b.start < a.end;
}

function documentText({ study: { file }, start, end }: Entry): string {
  return `${file.path}:${start + 1}\n${textOf(file, start, end)}`;
}
