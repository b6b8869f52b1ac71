import { posix } from 'node:path';
import type { ImportClause } from '../parse/parsed-file.ts';
import type { Paths } from './resolve.ts';

/** `from .a import b` by dots, `import a.b` from the folder of any package above, and from `src`. */
export function resolvePython(files: Paths, path: string, { specifier, text }: ImportClause): string[] {
  const dots = /^\.*/.exec(specifier)![0].length;
  const parts = specifier.slice(dots).split('.').filter((part) => part !== '');
  const folder = posix.dirname(path);
  const names = namesOf(text);
  const roots = dots > 0 ? [up(folder, dots - 1)] : [...above(folder), 'src'];
  for (const root of roots) {
    const base = posix.join(root, ...parts);
    const found = moduleAt(files, base);
    // `from package import module`
    const inside = names.map((name) => moduleAt(files, within(base, name))).filter((one) => one !== undefined);
    if (inside.length > 0) return found === undefined ? inside : [...inside, found];
    if (found !== undefined && found !== path) return [found];
  }
  return [];
}

function moduleAt(files: Paths, base: string): string | undefined {
  return [`${base}.py`, within(base, '__init__.py'), `${base}.pyi`].find((path) => files.has(path));
}

/** What `posix.join` gives of a folder that it gave and a plain name, without reading the folder's path again. */
function within(folder: string, name: string): string {
  return folder === '.' ? name : `${folder}/${name}`;
}

function namesOf(text: string): string[] {
  const list = /\bimport\b\s*\(?([^)]*)/.exec(text)?.[1];
  return list === undefined ? [] : list.split(',').map((part) => part.trim().split(/\s/)[0]!).filter((name) => /^\w+$/.test(name));
}

function up(folder: string, steps: number): string {
  let at = folder;
  for (let step = 0; step < steps; step += 1) at = posix.dirname(at);
  return at;
}

/** The folder and all above it, to `.`. */
export function above(folder: string): string[] {
  const all = [folder];
  while (all.at(-1) !== '.') all.push(posix.dirname(all.at(-1)!));
  return all;
}
