import { posix } from 'node:path';
import type { ImportClause } from '../parse/parsed-file.ts';
import type { Paths } from './resolve.ts';

const endings = ['.ts', '.tsx', '.js', '.jsx', '.mjs', '.cjs', '.mts', '.cts', '.d.ts'];

/** Relative specifiers, with or without ending, also where `.js` is written and `.ts` meant. */
export function resolveJavascript(files: Paths, path: string, { specifier }: ImportClause): string[] {
  if (!specifier.startsWith('.')) return [];
  const base = posix.join(posix.dirname(path), specifier);
  const bare = base.replace(/\.[cm]?jsx?$/, '');
  const withEnding = (name: string): string | undefined => endings.map((ending) => name + ending).find((candidate) => files.has(candidate));
  const found = files.has(base) ? base : (withEnding(base) ?? (bare === base ? undefined : withEnding(bare)) ?? withEnding(posix.join(base, 'index')));
  return found === undefined || found === path ? [] : [found];
}
