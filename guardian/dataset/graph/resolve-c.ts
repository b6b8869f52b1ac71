import { posix } from 'node:path';
import type { ImportClause } from '../parse/parsed-file.ts';
import type { Paths } from './resolve.ts';
import { above } from './resolve-python.ts';

/** Includes: beside the file, then from the folders above and their `include` and `src`, then the only file so named. */
export function createCResolver(files: Paths): (path: string, clause: ImportClause) => string[] {
  const byName = new Map<string, string[]>();
  for (const path of files.keys()) {
    if (!/\.(?:h|hh|hpp|hxx|c|cc|cpp|cxx|inc)$/.test(path)) continue;
    const name = posix.basename(path);
    byName.set(name, [...(byName.get(name) ?? []), path]);
  }
  return (path, { specifier }) => {
    const folders = above(posix.dirname(path)).flatMap((folder) => [folder, posix.join(folder, 'include'), posix.join(folder, 'src')]);
    const found = folders.map((folder) => posix.join(folder, specifier)).find((candidate) => files.has(candidate));
    if (found !== undefined) return found === path ? [] : [found];
    const named = (byName.get(posix.basename(specifier)) ?? []).filter((candidate) => candidate.endsWith(`/${specifier}`) || candidate === specifier);
    return named.length === 1 && named[0] !== path ? named : [];
  };
}
