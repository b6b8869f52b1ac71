import { posix } from 'node:path';
import type { ImportClause } from '../parse/parsed-file.ts';
import type { Paths } from './resolve.ts';
import { above } from './resolve-python.ts';

/** `mod a;` to its file; `use crate::`, `super::` and `self::` to the file of the longest path that is one. */
export function resolveRust(files: Paths, path: string, { specifier, text }: ImportClause): string[] {
  const own = moduleFolder(path);
  if (/^(?:pub(?:\([^)]*\))?\s+)?mod\s/.test(text)) return moduleAt(files, posix.join(own, specifier));
  const parts = specifier.split('{')[0]!.split('::').map((part) => part.trim()).filter((part) => part !== '');
  let base: string | undefined;
  if (parts[0] === 'crate') base = crateRoot(files, path);
  else if (parts[0] === 'self') base = own;
  else if (parts[0] === 'super') base = posix.dirname(own);
  if (base === undefined) return [];
  let rest = parts.slice(1);
  while (rest[0] === 'super') [base, rest] = [posix.dirname(base), rest.slice(1)];
  for (let length = rest.length; length > 0; length -= 1) {
    const found = moduleAt(files, posix.join(base, ...rest.slice(0, length)));
    if (found.length > 0) return found[0] === path ? [] : found;
  }
  return [];
}

/** Where the modules inside a file lie: `a/b.rs` has them in `a/b`, `a/mod.rs` in `a`. */
function moduleFolder(path: string): string {
  const name = posix.basename(path, '.rs');
  return name === 'mod' || name === 'lib' || name === 'main' ? posix.dirname(path) : posix.join(posix.dirname(path), name);
}

function moduleAt(files: Paths, base: string): string[] {
  return [`${base}.rs`, posix.join(base, 'mod.rs')].filter((path) => files.has(path)).slice(0, 1);
}

function crateRoot(files: Paths, path: string): string | undefined {
  return above(posix.dirname(path)).find((folder) => files.has(posix.join(folder, 'lib.rs')) || files.has(posix.join(folder, 'main.rs')));
}
