import type { StudyFile } from '../kinds/example.ts';
import type { Definition } from '../parse/parsed-file.ts';

/** What of a file can be called by a bare name. */
export interface Callable {
  /** In the file itself: definitions at its top. Names that it defines twice, at whatever depth, are not certain. */
  own: ReadonlyMap<string, Definition>;
  /** From other files, by the name that it has there. */
  exported: ReadonlyMap<string, Definition>;
}

export function callableOf(study: StudyFile): Callable {
  const { file: { lines }, parsed: { definitions } } = study;
  const own = new Map<string, Definition>();
  const assigned = new Map<string, Definition>();
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const definition of definitions) {
    const { kind, name, qualifiedName, parent } = definition;
    // Methods of classes, of object literals and of Go's receivers are called on something.
    if (kind === 'method' || kind === 'module' || kind === 'scope') continue;
    const line = lines[definition.header]!;
    const isTop = parent === undefined ? qualifiedName === name : definitions[parent]!.kind === 'module';
    // `shop.open = function` gives no name to call it by, but that it may be exported.
    if (isTop && line.includes(`.${name} =`)) {
      if (/^\s*(?:module\.)?exports\./.test(line)) assigned.set(name, definition);
      continue;
    }
    if (seen.has(name)) twice.add(name);
    seen.add(name);
    if (isTop) own.set(name, definition);
  }
  for (const name of twice) own.delete(name);
  return { own, exported: exportedOf(study, own, assigned) };
}

function exportedOf({ file }: StudyFile, own: ReadonlyMap<string, Definition>, assigned: ReadonlyMap<string, Definition>): ReadonlyMap<string, Definition> {
  const { lines, text, language: { name: language } } = file;
  const isMarked = (mark: RegExp): ReadonlyMap<string, Definition> => new Map([...own].filter(([, { header }]) => mark.test(lines[header]!)));
  switch (language) {
    case 'javascript': case 'typescript': break;
    case 'go': return new Map([...own].filter(([name]) => /^\p{Lu}/u.test(name)));
    case 'rust': return isMarked(/^\s*pub\b/);
    // A name that a statement imports is there, whatever it begins with.
    default: return own;
  }
  const exported = new Map(assigned);
  const add = (as: string, name: string): void => {
    const definition = own.get(name);
    if (definition !== undefined) exported.set(as, definition);
  };
  for (const [name, { header }] of own) {
    if (/^export\s+default\b/.test(lines[header]!)) exported.set('default', own.get(name)!);
    else if (/^export\b/.test(lines[header]!)) add(name, name);
  }
  for (const [, names] of text.matchAll(/^export\s*\{([^}]*)\}(?!\s*from)/gm)) for (const part of names!.split(',')) exportAs(part, /\s+as\s+/, 0);
  for (const [, names] of text.matchAll(/^module\.exports\s*=\s*\{([^}]*)\}/gm)) for (const part of names!.split(',')) exportAs(part, /\s*:\s*/, 1);
  for (const [, name] of text.matchAll(/^(?:export\s+default|module\.exports\s*=)\s+([\w$]+)\s*;?\s*$/gm)) add('default', name!);
  for (const [, as, name] of text.matchAll(/^(?:module\.)?exports\.([\w$]+)\s*=\s*([\w$]+)\s*;?\s*$/gm)) add(as!, name!);
  return exported;

  /** @param place where in the pair the file's own name stands */
  function exportAs(part: string, renames: RegExp, place: 0 | 1): void {
    const pair = part.trim().split(renames);
    const name = pair[place] ?? pair[0]!;
    add(pair[1 - place] ?? name, name);
  }
}
