import { posix } from 'node:path';
import type { ImportClause } from '../parse/parsed-file.ts';
import type { Paths } from './resolve.ts';

const endings = ['.ts', '.tsx', '.js', '.jsx', '.mjs', '.cjs', '.mts', '.cts', '.d.ts'];

/** Relative specifiers, with or without ending, also where `.js` is written and `.ts` meant. */
export function resolveJavascript(files: Paths, path: string, { specifier }: ImportClause): string[] {
  if (!specifier.startsWith('.')) return [];
  const base = posix.join(posix.dirname(path), specifier);
  const bare = base.replace(/\.[cm]?jsx?$/, '');
  const candidates = [base, ...endings.map((ending) => base + ending), ...(bare === base ? [] : endings.map((ending) => bare + ending)), ...endings.map((ending) => posix.join(base, `index${ending}`))];
  const found = candidates.find((candidate) => files.has(candidate));
  return found === undefined || found === path ? [] : [found];
}
