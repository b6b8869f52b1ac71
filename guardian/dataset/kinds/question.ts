import type { CallEdge, ImportEdge, PackageEdge, RepositoryGraph } from '../graph/graph.ts';
import type { Definition } from '../parse/parsed-file.ts';
import type { SourceFile } from '../source-file.ts';
import type { Example, StudyFile } from './example.ts';
import { listsAllDefinitions, listsAllImports } from './listed.ts';
import type { NameIndex } from './names.ts';
import { distinct, quotes, spansOf, type Place } from './quote.ts';

const maxChars = 900;
/** A list of one says little about a file. */
const minListed = 2;

/**
 * Asks where things are and how files use each other. Answers quote the lines that show it, with their places: all of
 * them, so that what doesn't fit, or stands partly on the other side, is not asked.
 * @param files of one side
 * @param graph of both sides, as are the names
 */
export function questionExamples(files: readonly StudyFile[], graph: RepositoryGraph, names: NameIndex): Example[] {
  const examples: Example[] = [];
  const add = (about: SourceFile, prompt: string, reason: string, all: readonly Place[]): void => {
    const places = distinct(all);
    const answer = quotes(places, maxChars);
    if (places.length === 0 || answer === undefined) return;
    // The row stands for the file that is asked about where one of the quoted lines is in it.
    const main = places.find((place) => place.file === about) ?? places[0]!;
    examples.push({
      kind: 'question', file: main.file, start: main.line, end: main.line + 1, reason, chars: answer.length,
      ...(places.length > 1 ? { spans: spansOf(places) } : {}),
      others: [about, ...places.map((place) => place.file)],
      write: () => ({ prompt, answer }),
    });
  };

  for (const study of files) {
    const { file, parsed } = study;
    const imported = parsed.imports.map(({ line }) => ({ file, line }));
    if (imported.length >= minListed && listsAllImports(study)) add(file, `What does ${file.path} import?`, 'the imports of a file', imported);
    const top = parsed.definitions.filter((definition) => definition.parent === undefined && isNamed(definition));
    if (top.length >= minListed && listsAllDefinitions(study)) {
      add(file, `Which functions, classes and types are defined at the top of ${file.path}?`, 'the definitions of a file', top.map(({ header }) => ({ file, line: header })));
    }
    for (const definition of parsed.definitions) {
      if (!isNamed(definition)) continue;
      const { qualifiedName } = definition;
      if (names.isOnly(definition)) add(file, `Where is ${qualifiedName} defined?`, 'where a definition stands', headerPlaces(file, definition));
      else if (names.isOnlyIn(study, definition)) add(file, `Where in ${file.path} is ${qualifiedName} defined?`, 'where in its file a definition stands', headerPlaces(file, definition));
    }
  }
  const side = new Set(files);
  askImports(graph.imports, side, add);
  askPackages(graph.packages, side, add);
  askCalls(graph, side, add);
  askPairs(graph, side, add);
  return examples;
}

type Add = (about: SourceFile, prompt: string, reason: string, places: readonly Place[]) => void;
type Files = ReadonlySet<StudyFile>;

function isNamed({ kind }: Definition): boolean {
  return kind !== 'scope' && kind !== 'module';
}

/** The lines of a signature, some at most. */
function headerPlaces(file: SourceFile, { header, body, doc, end }: Definition): Place[] {
  const stop = Math.min(doc !== undefined && doc.start > header ? doc.start : body, end, header + 6);
  return Array.from({ length: Math.max(1, stop - header) }, (_, offset) => ({ file, line: header + offset }));
}

function askImports(edges: readonly ImportEdge[], side: Files, add: Add): void {
  for (const [to, own] of Map.groupBy(edges, (edge) => edge.to)) {
    if (![to, ...own.map(({ from }) => from)].every((study) => side.has(study))) continue;
    add(to.file, `Which files import ${to.file.path}?`, 'who uses a file', own.map(({ from, clause }) => ({ file: from.file, line: clause.line })));
  }
}

function askPackages(edges: readonly PackageEdge[], side: Files, add: Add): void {
  for (const [folder, own] of Map.groupBy(edges, (edge) => edge.folder)) {
    if (!own.every(({ from }) => side.has(from))) continue;
    add(own[0]!.from.file, `Which files import the package in ${folder === '.' ? 'the top folder' : folder}?`, 'who uses a package', own.map(({ from, clause }) => ({ file: from.file, line: clause.line })));
  }
}

/** Of functions that no other call may mean; a method is called on what has no name that tells. */
function askCalls({ calls, unsure }: RepositoryGraph, side: Files, add: Add): void {
  for (const [target, own] of Map.groupBy(calls, (edge: CallEdge) => edge.target)) {
    const { to } = own[0]!;
    if (target.kind === 'method' || unsure.has(target.name) || ![to, ...own.map(({ from }) => from)].every((study) => side.has(study))) continue;
    add(to.file, `Where is ${target.qualifiedName} of ${to.file.path} called?`, 'who calls a function', own.map(({ from, call }) => ({ file: from.file, line: call.line })));
  }
}

/** How one file uses another: its import, and the calls into it. */
function askPairs({ imports, calls }: RepositoryGraph, side: Files, add: Add): void {
  const pairs = new Map<string, { from: StudyFile; to: StudyFile; places: Place[] }>();
  const note = (from: StudyFile, to: StudyFile, line: number): void => {
    if (from === to || !side.has(from) || !side.has(to)) return;
    const key = `${from.file.path}\0${to.file.path}`;
    const pair = pairs.get(key) ?? { from, to, places: [] };
    pairs.set(key, pair);
    pair.places.push({ file: from.file, line });
  };
  for (const { from, to, clause } of imports) note(from, to, clause.line);
  for (const { from, to, call } of calls) note(from, to, call.line);
  for (const { from, to, places } of pairs.values()) {
    if (places.length >= minListed) add(from.file, `How does ${from.file.path} use ${to.file.path}?`, 'how a file uses another', places);
  }
}
