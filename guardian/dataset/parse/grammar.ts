import { createRequire } from 'node:module';
import { posix } from 'node:path';
import { Language, Parser, Query } from 'web-tree-sitter';
import { cppQuery, cQuery } from './queries/c.ts';
import { goQuery } from './queries/go.ts';
import { javaQuery } from './queries/java.ts';
import { javascriptQuery, typescriptQuery } from './queries/javascript.ts';
import { pythonQuery } from './queries/python.ts';
import { rustQuery } from './queries/rust.ts';

export type GrammarName = 'python' | 'javascript' | 'typescript' | 'tsx' | 'go' | 'rust' | 'java' | 'c' | 'cpp';

/** A parser with its query. Parsing is synchronous, so one parser a language is enough for the whole process. */
export interface Grammar {
  name: GrammarName;
  parser: Parser;
  query: Query;
}

const queries: Record<GrammarName, string> = {
  python: pythonQuery, javascript: javascriptQuery, typescript: typescriptQuery, tsx: typescriptQuery,
  go: goQuery, rust: rustQuery, java: javaQuery, c: cQuery, cpp: cppQuery,
};

const endings: Record<GrammarName, string> = {
  python: 'py pyi pyw', javascript: 'js cjs mjs jsx', typescript: 'ts cts mts', tsx: 'tsx',
  go: 'go', rust: 'rs', java: 'java', c: 'c h', cpp: 'cc cpp cxx hh hpp hxx',
};

const byEnding = new Map(Object.entries(endings).flatMap(([name, list]) => list.split(' ').map((ending) => [ending, name as GrammarName] as const)));
/** Says that a `.h` is C++: C has none of these words at the beginning of a line. */
const cppHeader = /^\s*(?:class|namespace|template|public:|private:|using namespace)\b/m;

/** @returns undefined for text that no grammar is there for */
export function grammarOf(path: string, text: string): GrammarName | undefined {
  const name = byEnding.get(posix.extname(path).slice(1).toLowerCase());
  return name === 'c' && path.endsWith('.h') && cppHeader.test(text) ? 'cpp' : name;
}

const require = createRequire(import.meta.url);
const loaded = new Map<GrammarName, Promise<Grammar>>();
let started: Promise<void> | undefined;

/** Loads a grammar once for the process. @throws Error when its package is not installed */
export function loadGrammar(name: GrammarName): Promise<Grammar> {
  let grammar = loaded.get(name);
  if (grammar === undefined) {
    grammar = load(name);
    loaded.set(name, grammar);
  }
  return grammar;
}

async function load(name: GrammarName): Promise<Grammar> {
  started ??= Parser.init();
  await started;
  const file = name === 'c' ? 'tree-sitter-c/tree-sitter-c.wasm' : `@vscode/tree-sitter-wasm/wasm/tree-sitter-${name}.wasm`;
  const language = await Language.load(require.resolve(file));
  return { name, parser: new Parser().setLanguage(language), query: new Query(language, queries[name]) };
}
