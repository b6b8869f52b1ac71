import { seededShare } from '../hash.ts';
import type { Definition } from '../parse/parsed-file.ts';
import type { DatasetSettings } from '../settings.ts';
import { ownDocumentation } from './documentation.ts';
import type { Example, StudyFile } from './example.ts';
import { stepOn, textOf } from './lines.ts';
import { quote } from './quote.ts';

/** Documents of an example: with one that answers, or all of them others. */
const documents = 3;
const documentChars = 280;
const minDocChars = 40;
const maxDocChars = 240;

interface Entry {
  study: StudyFile;
  definition: Definition;
}

/**
 * Asks what a definition does, with documents of the repository to look it up in: RAFT (Zhang et al. 2024,
 * https://arxiv.org/abs/2403.10131). A seeded share lacks the document that answers; what is right stays the same, and
 * has to be known. The answer quotes the documentation between RAFT's marks, where it was shown, and says where it is.
 */
export function retrievalExamples(files: readonly StudyFile[], settings: DatasetSettings): Example[] {
  const entries = files.flatMap((study) => study.parsed.definitions.filter(isDocument).map((definition): Entry => ({ study, definition })));
  if (entries.length < documents * 2) return [];
  return entries.flatMap((entry, index): Example[] => {
    const { study, definition } = entry;
    const doc = ownDocumentation(study, definition, minDocChars, maxDocChars);
    if (doc === undefined) return [];
    const key = `${study.file.path} ${definition.header}`;
    const hasOracle = seededShare(settings.seed, `oracle ${key}`) >= settings.noOracleShare;
    const shown = pick(entries, index, seededShare(settings.seed, `distractors ${key}`), hasOracle ? documents - 1 : documents);
    if (hasOracle) shown.splice(Math.floor(seededShare(settings.seed, `place ${key}`) * documents), 0, entry);
    const place = quote({ file: study.file, line: definition.header });
    const said = hasOracle ? `##begin_quote##\n${doc.text}\n##end_quote##` : doc.text;
    const answer = `${said}\n${place}`;
    return [{
      kind: 'retrieval', file: study.file, start: Math.min(doc.start, definition.header), end: Math.max(doc.end, definition.header + 1),
      chars: answer.length,
      reason: hasOracle ? 'the answer is in one of the documents shown' : 'none of the documents shown has the answer',
      others: shown.map((one) => one.study.file),
      write: () => ({ prompt: `${shown.map(documentText).join('\n\n')}\n\nWhat does ${definition.qualifiedName} do, and where is it?`, answer }),
    }];
  });
}

function isDocument({ kind, first, end }: Definition): boolean {
  return kind !== 'scope' && kind !== 'module' && end - first > 2;
}

/** Others than `index`, one from each of as many stretches of the list: near ones and far ones. */
function pick(entries: readonly Entry[], index: number, share: number, count: number): Entry[] {
  const picked: Entry[] = [];
  const used = new Set([index]);
  const step = Math.max(1, Math.floor(entries.length / count));
  for (let at = Math.floor(share * entries.length); picked.length < count; ) {
    const one = at % entries.length;
    at += used.has(one) ? 1 : step;
    if (used.has(one)) continue;
    used.add(one);
    picked.push(entries[one]!);
  }
  return picked;
}

function documentText({ study: { file }, definition: { first, end } }: Entry): string {
  return `${file.path}:${first + 1}\n${textOf(file.lines, first, Math.max(first + 1, stepOn(file.lines, first, documentChars, end)))}`;
}
