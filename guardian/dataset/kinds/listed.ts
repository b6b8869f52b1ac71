import type { StudyFile } from './example.ts';

/** At the left margin, what begins a definition, in any of the languages that are parsed. */
const begins = /^(?:(?:export|default|declare|abstract|async|pub(?:\([^)]*\))?|unsafe|public|final|static|inline|extern)\s+)*(?:fn|func|function\*?|class|struct|enum|union|trait|interface|type|typedef|record|def|macro_rules!)(?:\s|\()/;
/** A function or class as a value: of an arrow function without a block, or one that is wrapped, no definition is found. */
const holds = /^(?:export\s+)?(?:const|let|var)\s.*(?:=>|\bfunction\b|\bclass\b|\w\($)|^export\s+default\s+(?!\w+\s*;?$)|^module\.exports\s*=\s*(?:async|function|class|\()/;
/** Imports that are no statements; of some it is not known what they import. */
const calls = /\bimport\s*\(|\brequire\s*\(|\b__import__\s*\(|\bimport_module\s*\(/g;

/** Whether what was found defined at the top of a file is all that is. A broken part may hold more. */
export function listsAllDefinitions({ file: { lines }, parsed }: StudyFile): boolean {
  if (parsed.broken) return false;
  let next = 0;
  const tops = parsed.definitions.filter(({ parent }) => parent === undefined);
  return lines.every((line, at) => {
    while (next < tops.length && tops[next]!.end <= at) next += 1;
    const inside = next < tops.length && tops[next]!.first <= at;
    return inside || !(begins.test(line) || holds.test(line));
  });
}

/** The same for imports. */
export function listsAllImports({ file: { text, lines }, parsed }: StudyFile): boolean {
  if (parsed.broken) return false;
  const known = parsed.imports.filter(({ line }) => lines[line]!.search(calls) >= 0).length;
  return (text.match(calls)?.length ?? 0) <= known;
}
