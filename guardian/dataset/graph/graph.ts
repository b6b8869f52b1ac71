import { posix } from 'node:path';
import type { StudyFile } from '../kinds/example.ts';
import type { Call, Definition, ImportClause } from '../parse/parsed-file.ts';
import { bindingsOf, isModule } from './bindings.ts';
import { callableOf, type Callable } from './callable.ts';
import { createResolver } from './resolve.ts';
import { isShadowed } from './shadowed.ts';

export interface ImportEdge {
  from: StudyFile;
  to: StudyFile;
  clause: ImportClause;
}

/** An import of a Go package, which is a folder and no file. */
export interface PackageEdge {
  from: StudyFile;
  folder: string;
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
  packages: readonly PackageEdge[];
  calls: readonly CallEdge[];
  /** Names of calls of which it is not sure what they call. Of what has another name, `calls` has them all. */
  unsure: ReadonlySet<string>;
}

type Target = { to: StudyFile; target: Definition };
/** What can be called by a bare name; undefined where it may be several. */
type Names = Map<string, Target | undefined>;

/**
 * @param files of both sides: what is said to be all of something has to be all of it
 * @param breathe called between files
 */
export async function buildGraph(files: readonly StudyFile[], breathe: () => Promise<void>): Promise<RepositoryGraph> {
  const byPath = new Map(files.map((study) => [study.file.path, study]));
  const resolve = createResolver(byPath);
  const callable = new Map(files.map((study) => [study, callableOf(study)]));
  const packages = packageNames(files, callable);
  const imports: ImportEdge[] = [];
  const packageEdges: PackageEdge[] = [];
  const calls: CallEdge[] = [];
  const unsure = new Set<string>();
  for (const from of files) {
    await breathe();
    const scope: Scope = { own: callable.get(from)!.own, near: packages.get(packageOf(from)), direct: new Map(), inside: new Map() };
    for (const clause of from.parsed.imports) {
      const found = resolve(from, clause).map((path) => byPath.get(path)!);
      if (from.file.language.name === 'go') {
        if (found[0] === undefined) continue;
        packageEdges.push({ from, folder: posix.dirname(found[0].file.path), clause });
        for (const { bound } of bindingsOf(from, clause)) scope.inside.set(bound, [packages.get(packageOf(found[0]))!]);
      } else {
        for (const to of found) imports.push({ from, to, clause });
        bind(scope, from, clause, found, callable);
      }
    }
    for (const call of from.parsed.calls) {
      const found = targetOf(from, call, scope);
      if (found === undefined) unsure.add(call.name);
      else calls.push({ from, call, ...found });
    }
  }
  return { imports, packages: packageEdges, calls, unsure };
}

/** What the names of one file mean. */
interface Scope {
  own: ReadonlyMap<string, Definition>;
  near: Names | undefined;
  /** Imported names. */
  direct: Names;
  /** Imported modules, and what can be called in them. */
  inside: Map<string, Names[]>;
}

function bind({ direct, inside }: Scope, from: StudyFile, clause: ImportClause, found: readonly StudyFile[], callable: ReadonlyMap<StudyFile, Callable>): void {
  for (const { bound, original } of bindingsOf(from, clause)) {
    for (const to of found) {
      const { exported } = callable.get(to)!;
      if (bound === '*') {
        for (const [name, target] of exported) put(direct, name, { to, target });
      } else if (original === undefined || (isModule(to, original) && !exported.has(original))) {
        const names: Names = new Map([...exported].map(([name, target]) => [name, { to, target }]));
        inside.set(bound, [...(inside.get(bound) ?? []), names]);
      } else {
        const target = exported.get(original);
        if (target !== undefined) put(direct, bound, { to, target });
      }
    }
  }
}

function put(names: Names, name: string, found: Target): void {
  names.set(name, names.has(name) && names.get(name)?.target !== found.target ? undefined : found);
}

/** Go's and Java's files see what their package's other files define. */
function packageNames(files: readonly StudyFile[], callable: ReadonlyMap<StudyFile, Callable>): Map<string, Names> {
  const packages = new Map<string, Names>();
  for (const to of files) {
    if (to.file.language.name !== 'go' && to.file.language.name !== 'java') continue;
    const key = packageOf(to);
    const names: Names = packages.get(key) ?? new Map();
    packages.set(key, names);
    for (const [name, target] of callable.get(to)!.own) put(names, name, { to, target });
  }
  return packages;
}

/** A folder of Go may hold a second package, of its tests. */
function packageOf({ file: { path, language, text } }: StudyFile): string {
  const name = language.name === 'go' || language.name === 'java' ? (/^package\s+([\w.]+)/m.exec(text)?.[1] ?? '') : '';
  return `${language.name} ${posix.dirname(path)} ${name}`;
}

function targetOf(from: StudyFile, call: Call, scope: Scope): Target | undefined {
  const { receiver } = call;
  if (receiver === 'self' || receiver === 'this') return methodOf(from, call);
  const found = named(from, call, scope);
  return found === undefined || isShadowed(from, call) ? undefined : found;
}

function named(from: StudyFile, { name, receiver }: Call, { own, near, direct, inside }: Scope): Target | undefined {
  if (receiver !== undefined) {
    const isOpen = from.file.language.name !== 'go' || /^\p{Lu}/u.test(name);
    return isOpen ? inside.get(receiver)?.map((names) => names.get(name)).find((found) => found !== undefined) : undefined;
  }
  const here = own.get(name);
  if (here !== undefined) return { to: from, target: here };
  return direct.has(name) ? direct.get(name) : near?.get(name);
}

/** `self.close()` is a method of the same class, where that has one. */
function methodOf(from: StudyFile, { from: caller, name }: Call): Target | undefined {
  const { definitions } = from.parsed;
  const parent = caller === undefined ? undefined : definitions[caller]!.parent;
  if (parent === undefined) return undefined;
  const target = definitions.find((definition) => definition.parent === parent && definition.name === name && definition.kind === 'method');
  return target === undefined ? undefined : { to: from, target };
}
