/** A `scope` names no definition of its own: Rust's `impl Shop`. */
export type DefinitionKind = 'function' | 'method' | 'class' | 'type' | 'module' | 'scope';

/** A named piece of code. All places are lines, counted from 0; an `end` is the line after the last. */
export interface Definition {
  kind: DefinitionKind;
  name: string;
  /** With the names of what it stands in: `Shop.open`. */
  qualifiedName: string;
  /** Doc comment, decorators and attributes included. */
  first: number;
  /** Where its own text begins: `def`, `function`, `pub fn`. */
  header: number;
  /** First line of the body: what comes after the signature, an opening brace and a docstring. */
  body: number;
  end: number;
  /** The lines of its documentation, be it above (a doc comment) or inside (a docstring). */
  doc?: { start: number; end: number };
  /** Index of the definition that it stands in. */
  parent?: number;
}

/** One import, include or `mod`, as written. */
export interface ImportClause {
  /** What is imported from: a module, a path, a package. */
  specifier: string;
  /** The statement's text, for the names that it binds. */
  text: string;
  line: number;
}

export interface Call {
  /** The name called, and what stands before its dot, where that is one name. */
  name: string;
  receiver?: string;
  line: number;
  /** Index of the innermost definition that it stands in. */
  from?: number;
}

export interface ParsedFile {
  /** In the order of their first lines; an outer one before what it holds. */
  definitions: readonly Definition[];
  imports: readonly ImportClause[];
  calls: readonly Call[];
  /** Whether a part could not be parsed; definitions that such a part touches are not listed. */
  broken: boolean;
}

export const unparsed: ParsedFile = { definitions: [], imports: [], calls: [], broken: false };
