import type { Node, QueryMatch } from 'web-tree-sitter';
import { declaredName, isMember } from './declarator.ts';
import { readAbove } from './doc-comment.ts';
import { grammarOf, loadGrammar, type Grammar } from './grammar.ts';
import { nest, type FlatDefinition } from './nest.ts';
import { soundNodes } from './sound-nodes.ts';
import { unparsed, type Call, type DefinitionKind, type ImportClause, type ParsedFile } from './parsed-file.ts';

/**
 * Tree-sitter tells of its progress every few hundred characters, in steps that depend on the text alone. Text made
 * to be slow takes many more steps than any code does, and is given up.
 */
const maxSteps = (chars: number): number => 1_000 + chars / 50;

/** Longer statements are cut: names that far out are not looked up. */
const maxImportChars = 2_000;

/**
 * Finds definitions, imports and calls. What can't be parsed costs the definitions that it touches, no more.
 * @param lines the lines of `text`
 * @returns nothing but empty lists for text without a grammar
 */
export async function parseFile(path: string, text: string, lines: readonly string[]): Promise<ParsedFile> {
  const name = grammarOf(path, text);
  return name === undefined ? unparsed : read(await loadGrammar(name), text, lines);
}

function read(grammar: Grammar, text: string, lines: readonly string[]): ParsedFile {
  let steps = 0;
  const limit = maxSteps(text.length);
  // The callback's result stops the parser, which the type does not say.
  const stop = (): boolean => (steps += 1) > limit;
  // Some grammars want the last line ended: C's for an include, Go's for a statement.
  const tree = grammar.parser.parse(text.endsWith('\n') ? text : `${text}\n`, null, { progressCallback: stop as () => void });
  if (tree === null) {
    // Else the next text would be taken for the rest of this one.
    grammar.parser.reset();
    return { ...unparsed, broken: true };
  }
  try {
    return collect(grammar, soundNodes(tree), tree.rootNode.hasError, text, lines);
  } finally {
    tree.delete();
  }
}

function collect(grammar: Grammar, nodes: readonly Node[], broken: boolean, text: string, lines: readonly string[]): ParsedFile {
  const found: FlatDefinition[] = [];
  const imports: ImportClause[] = [];
  const calls: Call[] = [];
  /** First line of a docstring -> the line after it. */
  const docstrings = new Map<number, number>();
  const textOf = (node: Node): string => text.slice(node.startIndex, node.endIndex);

  for (const match of nodes.flatMap((node) => grammar.query.matches(node))) {
    const captured = capturesOf(match);
    if (captured.call !== undefined) {
      const call: Call = { name: textOf(captured.call), line: captured.call.startPosition.row };
      if (captured.receiver !== undefined) call.receiver = textOf(captured.receiver);
      calls.push(call);
    } else if (captured.doc !== undefined) {
      docstrings.set(captured.doc.startPosition.row, captured.doc.endPosition.row + 1);
    } else if (captured.import !== undefined) {
      if (captured.require === undefined || textOf(captured.require) === 'require') imports.push(...clauses(grammar, captured.import, captured.specifier, textOf));
    } else if (captured.declarator !== undefined && captured.body !== undefined && captured.node !== undefined) {
      const name = declaredName(captured.declarator);
      if (name !== undefined) found.push(flat(isMember(captured.node, name) ? 'method' : 'function', captured.node, name, captured.body, undefined, textOf));
    } else if (captured.name !== undefined && captured.body !== undefined && captured.node !== undefined) {
      found.push(flat(captured.kind, captured.node, captured.name, captured.body, captured.owner, textOf));
    }
  }
  const isPython = grammar.name === 'python';
  const separator = grammar.name === 'cpp' || grammar.name === 'rust' ? '::' : '.';
  const definitions = nest(found, separator, calls, (definition) => {
    const above = readAbove(lines, definition.header, isPython ? 'hash' : 'slashes');
    if (!isPython) return { ...above, body: definition.bodyLine + 1 };
    const docEnd = docstrings.get(definition.bodyLine);
    const doc = docEnd === undefined ? above.doc : { start: definition.bodyLine, end: docEnd };
    return { first: above.first, body: docEnd ?? definition.bodyLine, ...(doc === undefined ? {} : { doc }) };
  });
  return { definitions, imports, calls, broken };
}

interface Captures {
  kind: DefinitionKind;
  node?: Node;
  name?: Node;
  body?: Node;
  owner?: Node;
  declarator?: Node;
  doc?: Node;
  import?: Node;
  specifier?: Node;
  require?: Node;
  call?: Node;
  receiver?: Node;
}

function capturesOf(match: QueryMatch): Captures {
  const captures: Captures = { kind: 'function' };
  for (const { name, node } of match.captures) {
    switch (name) {
      case 'function': case 'method': case 'class': case 'type': case 'module': case 'scope':
        captures.kind = name;
        captures.node = node;
        break;
      case 'name': case 'body': case 'owner': case 'declarator': case 'doc': case 'import': case 'specifier': case 'require': case 'call': case 'receiver':
        captures[name] = node;
    }
  }
  return captures;
}

function flat(kind: DefinitionKind, node: Node, name: Node, body: Node, owner: Node | undefined, textOf: (node: Node) => string): FlatDefinition {
  const written = textOf(name);
  // `Shop::open` outside of its class.
  const cut = written.lastIndexOf('::');
  const receiver = owner === undefined ? undefined : /(\w+)\s*(?:\[[^\]]*\])?\s*\)$/.exec(textOf(owner))?.[1];
  const outer = cut > 0 ? written.slice(0, cut) : receiver;
  return {
    kind,
    name: cut > 0 ? written.slice(cut + 2) : written,
    ...(outer === undefined ? {} : { outer }),
    header: node.startPosition.row,
    bodyLine: body.startPosition.row,
    end: node.endPosition.row + 1,
  };
}

/** One statement may import several modules: Python's `import a, b as c`. */
function clauses(grammar: Grammar, node: Node, specifier: Node | undefined, textOf: (node: Node) => string): ImportClause[] {
  const text = textOf(node).slice(0, maxImportChars);
  // Of a statement over several lines, the one that says from where is the one to quote.
  const line = (specifier ?? node).startPosition.row;
  if (specifier !== undefined) return [{ specifier: textOf(specifier).replace(/^["'<]|[">']$/g, ''), text, line }];
  const from = /^from\s+(\S+)\s+import\b/.exec(text)?.[1];
  if (from !== undefined) return [{ specifier: from, text, line }];
  return text.replace(/^import\s+/, '').split(',').map((part) => ({ specifier: part.trim().split(/\s/)[0]!, text: part.trim(), line }));
}
