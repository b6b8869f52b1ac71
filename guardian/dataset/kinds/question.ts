import type { CallEdge, ImportEdge, RepositoryGraph } from '../graph/graph.ts';
import type { Definition } from '../parse/parsed-file.ts';
import type { SourceFile } from '../source-file.ts';
import type { Example, StudyFile } from './example.ts';
import { fitting, quotes, spansOf, type Place } from './quote.ts';

const maxChars = 900;
/** A list of one says little about a file. */
const minListed = 2;

/** Asks where things are and how files use each other. Answers quote the lines that show it, with their places. */
export function questionExamples(files: readonly StudyFile[], graph: RepositoryGraph): Example[] {
  const examples: Example[] = [];
  const add = (about: SourceFile, prompt: string, reason: string, places: readonly Place[]): void => {
    const kept = fitting(places, maxChars);
    if (kept.length === 0) return;
    const answer = quotes(kept);
    const { file, line } = kept[0]!;
    // The row stands for the file that is asked about where one of the quoted lines is in it.
    const main = kept.find((place) => place.file === about) ?? { file, line };
    examples.push({
      kind: 'question', file: main.file, start: main.line, end: main.line + 1, reason, chars: answer.length,
      ...(kept.length > 1 ? { spans: spansOf(kept) } : {}),
      others: [about, ...kept.map((place) => place.file)],
      write: () => ({ prompt, answer }),
    });
  };

  for (const { file, parsed } of files) {
    const imported = parsed.imports.map(({ line }) => ({ file, line }));
    if (imported.length >= minListed) add(file, `What does ${file.path} import?`, 'the imports of a file', imported);
    const top = parsed.definitions.filter((definition) => definition.parent === undefined && isNamed(definition));
    // Of a file with a broken part the list is not all.
    if (top.length >= minListed && !parsed.broken) add(file, `What is defined in ${file.path}?`, 'the definitions of a file', top.map(({ header }) => ({ file, line: header })));
    for (const definition of parsed.definitions) {
      if (isNamed(definition)) add(file, `Where is ${definition.qualifiedName} defined?`, 'where a definition stands', headerPlaces(file, definition));
    }
  }
  askImports(graph.imports, add);
  askCalls(graph.calls, add);
  askPairs(graph, add);
  return examples;
}

type Add = (about: SourceFile, prompt: string, reason: string, places: readonly Place[]) => void;

function isNamed({ kind }: Definition): boolean {
  return kind !== 'scope' && kind !== 'module';
}

/** The lines of a signature, some at most. */
function headerPlaces(file: SourceFile, { header, body, doc, end }: Definition): Place[] {
  const stop = Math.min(doc !== undefined && doc.start > header ? doc.start : body, end, header + 6);
  return Array.from({ length: Math.max(1, stop - header) }, (_, offset) => ({ file, line: header + offset }));
}

function askImports(edges: readonly ImportEdge[], add: Add): void {
  for (const [to, own] of Map.groupBy(edges, (edge) => edge.to)) {
    add(to.file, `Which files import ${to.file.path}?`, 'who uses a file', own.map(({ from, clause }) => ({ file: from.file, line: clause.line })));
  }
}

function askCalls(edges: readonly CallEdge[], add: Add): void {
  for (const [target, own] of Map.groupBy(edges, (edge) => edge.target)) {
    const { file } = own[0]!.to;
    add(file, `Where is ${target.qualifiedName} of ${file.path} called?`, 'who calls a function', own.map(({ from, call }) => ({ file: from.file, line: call.line })));
  }
}

/** How one file uses another: its import, and the calls into it. */
function askPairs({ imports, calls }: RepositoryGraph, add: Add): void {
  const pairs = new Map<string, { from: StudyFile; to: StudyFile; places: Place[] }>();
  const note = (from: StudyFile, to: StudyFile, line: number): void => {
    if (from === to) return;
    const key = `${from.file.path}\0${to.file.path}`;
    const pair = pairs.get(key) ?? { from, to, places: [] };
    pairs.set(key, pair);
    pair.places.push({ file: from.file, line });
  };
  for (const { from, to, clause } of imports) note(from, to, clause.line);
  for (const { from, to, call } of calls) note(from, to, call.line);
  for (const [key, { from, to, places }] of pairs) {
    const back = pairs.get(key.split('\0').reverse().join('\0'))?.places ?? [];
    if (places.length + back.length < minListed) continue;
    add(from.file, `How does ${from.file.path} use ${to.file.path}?`, 'how two files use each other', [...places, ...back]);
  }
}
