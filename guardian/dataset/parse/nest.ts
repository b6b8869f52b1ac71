import type { Call, Definition, DefinitionKind } from './parsed-file.ts';

/** A definition as found, before it is known what it stands in. */
export interface FlatDefinition {
  kind: DefinitionKind;
  name: string;
  /** What its own text says that it belongs to: Go's receiver, C++'s `Shop::`. */
  outer?: string;
  header: number;
  /** The line on which the body's first sign stands. */
  bodyLine: number;
  end: number;
}

type Around = Pick<Definition, 'first' | 'body' | 'doc'>;

/**
 * Puts definitions into each other by their lines, and says of each call which one it stands in.
 * @param calls in the order of the text; `from` is filled in
 * @param around finds what belongs to a definition beside its own lines
 */
export function nest(found: FlatDefinition[], separator: string, calls: Call[], around: (definition: FlatDefinition) => Around): Definition[] {
  found.sort((a, b) => a.header - b.header || b.end - a.end);
  const definitions: Definition[] = [];
  const open: number[] = [];
  for (const one of found) {
    while (open.length > 0 && definitions[open.at(-1)!]!.end < one.end) open.pop();
    while (open.length > 0 && definitions[open.at(-1)!]!.end <= one.header) open.pop();
    const parent = open.at(-1);
    const outer = one.outer ?? (parent === undefined ? undefined : definitions[parent]!.qualifiedName);
    const holds = parent === undefined ? undefined : definitions[parent]!.kind;
    open.push(definitions.length);
    definitions.push({
      kind: one.kind === 'function' && (holds === 'class' || holds === 'scope') ? 'method' : one.kind,
      name: one.name,
      qualifiedName: outer === undefined ? one.name : `${outer}${separator}${one.name}`,
      header: one.header,
      end: one.end,
      ...(parent === undefined ? {} : { parent }),
      ...around(one),
    });
  }
  attribute(calls, definitions);
  return definitions;
}

/** Lines are enough to tell where a call stands: two functions on one line are rare, and their calls few. */
function attribute(calls: Call[], definitions: readonly Definition[]): void {
  const open: number[] = [];
  let next = 0;
  for (const call of calls.sort((a, b) => a.line - b.line)) {
    for (; next < definitions.length && definitions[next]!.header <= call.line; next += 1) {
      while (open.length > 0 && definitions[open.at(-1)!]!.end <= definitions[next]!.header) open.pop();
      open.push(next);
    }
    while (open.length > 0 && definitions[open.at(-1)!]!.end <= call.line) open.pop();
    const from = open.at(-1);
    if (from !== undefined) call.from = from;
  }
}
