import { posix } from 'node:path';
import type { StudyFile } from '../kinds/example.ts';
import type { Call, Definition, ImportClause } from '../parse/parsed-file.ts';
import { createResolver } from './resolve.ts';

export interface ImportEdge {
  from: StudyFile;
  to: StudyFile;
  clause: ImportClause;
}

export interface CallEdge {
  from: StudyFile;
  call: Call;
  to: StudyFile;
  target: Definition;
}

/** Who imports whom, and who calls what, as far as names tell for certain: what is not sure is left out. */
export interface RepositoryGraph {
  /** In the order of files and lines. */
  imports: readonly ImportEdge[];
  calls: readonly CallEdge[];
}

/** Languages in which a file sees what its folder's other files define. */
const folderScoped = new Set(['go', 'java']);

/**
 * @param files of one side only: what a row says then comes from that side
 * @param breathe called between files
 */
export async function buildGraph(files: readonly StudyFile[], breathe: () => Promise<void>): Promise<RepositoryGraph> {
  const byPath = new Map(files.map((study) => [study.file.path, study]));
  const resolve = createResolver(byPath);
  const defined = new Map(files.map((study) => [study, callable(study)]));
  const neighbours = new Map<string, StudyFile[]>();
  for (const study of files) {
    if (!folderScoped.has(study.file.language.name)) continue;
    const folder = posix.dirname(study.file.path);
    const there = neighbours.get(folder);
    if (there === undefined) neighbours.set(folder, [study]);
    else there.push(study);
  }
  const imports: ImportEdge[] = [];
  const calls: CallEdge[] = [];
  for (const from of files) {
    await breathe();
    const own = from.parsed.imports.flatMap((clause) => resolve(from, clause).map((path): ImportEdge => ({ from, to: byPath.get(path)!, clause })));
    imports.push(...own);
    const near = neighbours.get(posix.dirname(from.file.path)) ?? [];
    for (const call of from.parsed.calls) {
      const found = targetOf(from, call, own, near, defined);
      if (found !== undefined) calls.push({ from, call, ...found });
    }
  }
  return { imports, calls };
}

/** What can be called by its bare name: definitions at the top of a file. Names defined twice are not certain. */
function callable({ parsed }: StudyFile): Map<string, Definition> {
  const named = new Map<string, Definition>();
  const twice = new Set<string>();
  for (const definition of parsed.definitions) {
    const top = definition.parent === undefined || parsed.definitions[definition.parent]!.kind === 'module';
    if (!top || definition.kind === 'module' || definition.kind === 'scope') continue;
    if (named.has(definition.name)) twice.add(definition.name);
    named.set(definition.name, definition);
  }
  for (const name of twice) named.delete(name);
  return named;
}

type Target = { to: StudyFile; target: Definition };

function targetOf(from: StudyFile, call: Call, imports: readonly ImportEdge[], near: readonly StudyFile[], defined: ReadonlyMap<StudyFile, Map<string, Definition>>): Target | undefined {
  const { name, receiver } = call;
  if (receiver === 'self' || receiver === 'this') return methodOf(from, call);
  const at = (study: StudyFile): Target | undefined => {
    const target = defined.get(study)!.get(name);
    return target === undefined ? undefined : { to: study, target };
  };
  if (receiver === undefined) {
    const here = at(from);
    if (here !== undefined) return here;
  }
  const word = receiver ?? name;
  const includes = from.file.language.name === 'c' || from.file.language.name === 'c++';
  for (const { to, clause } of imports) {
    // An include gives all names; else the statement has to name what is used.
    if (!(includes && receiver === undefined) && !hasWord(clause.text, word)) continue;
    const found = at(to);
    if (found !== undefined) return found;
  }
  if (receiver !== undefined) return undefined;
  for (const study of near) {
    const found = study === from ? undefined : at(study);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `self.close()` is a method of the same class, where that has one. */
function methodOf(from: StudyFile, { from: caller, name }: Call): Target | undefined {
  const { definitions } = from.parsed;
  const parent = caller === undefined ? undefined : definitions[caller]!.parent;
  if (parent === undefined) return undefined;
  const target = definitions.find((definition) => definition.parent === parent && definition.name === name && definition.kind === 'method');
  return target === undefined ? undefined : { to: from, target };
}

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (!isWordSign(text[at - 1]) && !isWordSign(text[at + word.length])) return true;
  }
  return false;
}

function isWordSign(sign: string | undefined): boolean {
  return sign !== undefined && /[\w$]/.test(sign);
}
