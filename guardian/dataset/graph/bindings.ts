import { posix } from 'node:path';
import type { StudyFile } from '../kinds/example.ts';
import type { ImportClause } from '../parse/parsed-file.ts';

/** A name that an import brings into a file. */
export interface Binding {
  /** As it is written in the file; `*` gives all names. */
  bound: string;
  /** As it is named where it comes from; `default` is JavaScript's. Undefined: the module itself. */
  original?: string;
}

/** @returns none where it is not certain what the statement binds */
export function bindingsOf({ file: { language, path } }: StudyFile, clause: ImportClause): Binding[] {
  switch (language.name) {
    case 'javascript': case 'typescript': return javascript(clause.text);
    case 'python': return python(clause);
    case 'go': return go(clause);
    case 'rust': return rust(clause);
    case 'java': return path.endsWith('.java') ? [named(clause.specifier.split('.').at(-1)!)] : [];
    case 'c': case 'c++': return [{ bound: '*', original: '*' }];
    default: return [];
  }
}

function named(bound: string, original = bound): Binding {
  return { bound, original };
}

/** `a, b as c` with the sign or word that renames. */
function list(text: string, renames: RegExp): Binding[] {
  return text.split(',').flatMap((part) => {
    const [original, bound] = part.trim().replace(/^type\s+/, '').split(renames);
    return original === undefined || !/^[\w$]+$/.test(original) ? [] : [named(bound?.trim() ?? original, original)];
  });
}

/** What stands before the module's path; that may hold the same words. */
function javascript(text: string): Binding[] {
  const head = /^import\s+(?:type\s+)?([^'"]*?)\s*\bfrom\s*['"]/.exec(text)?.[1];
  if (head !== undefined) {
    const braces = /\{([^}]*)\}/.exec(head);
    const space = /\*\s*as\s+([\w$]+)/.exec(head)?.[1];
    const standard = /^([\w$]+)/.exec(head)?.[1];
    return [...(braces === null ? [] : list(braces[1]!, /\s+as\s+/)), ...(space === undefined ? [] : [{ bound: space }]), ...(standard === undefined ? [] : [named(standard, 'default')])];
  }
  const [, braces, whole] = /^(?:\{([^}]*)\}|([\w$]+))\s*=\s*require\b/.exec(text) ?? [];
  if (braces !== undefined) return list(braces, /\s*:\s*/);
  return whole === undefined ? [] : [{ bound: whole }, named(whole, 'default')];
}

function python({ text, specifier }: ImportClause): Binding[] {
  const names = /^from\s+\S+\s+import\b([^]*)$/.exec(text)?.[1];
  if (names !== undefined) return names.trim() === '*' ? [{ bound: '*', original: '*' }] : list(names.replace(/#.*|[()\\]/g, ''), /\s+as\s+/);
  const alias = /\sas\s+(\w+)$/.exec(text)?.[1];
  return alias !== undefined ? [{ bound: alias }] : specifier.includes('.') ? [] : [{ bound: specifier }];
}

/** Without a name of its own, a package has the last part of its path that is no version. */
function go({ text, specifier }: ImportClause): Binding[] {
  const alias = /^([\w.]+)\s+["`]/.exec(text)?.[1];
  const last = specifier.split('/').findLast((part) => !/^v\d+$/.test(part));
  return alias === undefined && last !== undefined ? [{ bound: last }] : alias === undefined || alias === '_' || alias === '.' ? [] : [{ bound: alias }];
}

/** The last part of a path; braces in braces are left out. */
function rust({ text, specifier }: ImportClause): Binding[] {
  if (/^(?:pub(?:\([^)]*\))?\s+)?mod\s/.test(text)) return [{ bound: specifier }];
  const [, prefix, inside] = /^([^{]*?)(?:\{([^{}]*)\})?$/.exec(specifier) ?? [];
  if (prefix === undefined) return [];
  const parts = inside === undefined ? [prefix] : inside.split(',');
  return parts.flatMap((part) => {
    const [path, alias] = part.trim().split(/\s+as\s+/);
    const last = path!.split('::').at(-1)!.trim();
    const original = last === 'self' ? prefix.split('::').findLast((one) => one !== '')?.trim() : last;
    if (original === undefined || original === '') return [];
    return original === '*' ? [named('*')] : [named(alias ?? original, original)];
  });
}

/** Whether a file is the module of that name: `from . import doors`, `use crate::doors`. */
export function isModule({ file: { path } }: StudyFile, name: string): boolean {
  if (!/\.(?:pyi?|rs)$/.test(path)) return false;
  const own = posix.basename(path, posix.extname(path));
  return (own === '__init__' || own === 'mod' ? posix.basename(posix.dirname(path)) : own) === name;
}
