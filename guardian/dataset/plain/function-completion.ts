import { contextStart, isAnswer, type Span } from './example.ts';
import { headerOf } from './function-header.ts';
import { indentOf, maxSignatureLines, type FoundFunction } from './found-function.ts';
import { findPythonFunction } from './python-function.ts';
import type { FunctionStyle } from '../language.ts';
import type { DatasetSettings } from '../settings.ts';

/** Longer first lines are no signatures, and cost time to match. */
const maxHeaderChars = 300;

/**
 * Finds functions by their first line and by indentation, without a parser: a body ends where a line is indented as
 * its header is. Code that is not laid out so is passed over; file completion has it all the same.
 */
export function functionSpans(lines: readonly string[], style: FunctionStyle, settings: DatasetSettings): Span[] {
  const spans: Span[] = [];
  const find = style === 'python' ? findPythonFunction : (all: readonly string[], at: number) => findBraceFunction(all, at, style);
  for (let line = 0; line < lines.length; ) {
    const found = lines[line]!.length <= maxHeaderChars ? find(lines, line) : undefined;
    const span = found === undefined ? undefined : toSpan(lines, found, settings);
    // A function that is taken is not looked into; one too long may hold others.
    if (span !== undefined) spans.push(span);
    line = span?.end ?? line + 1;
  }
  return spans;
}

/** Leaves out what is too small or too long to ask for, and signatures too long to show. */
function toSpan(lines: readonly string[], found: FoundFunction, settings: DatasetSettings): Span | undefined {
  if (!isAnswer(lines, found.body, found.end, settings)) return undefined;
  const from = contextStart(lines, found.body, settings.contextChars);
  return from > found.header ? undefined : { kind: 'function', from, start: found.body, end: found.end, name: found.name };
}

function findBraceFunction(lines: readonly string[], at: number, style: FunctionStyle): FoundFunction | undefined {
  const header = headerOf(lines[at]!, style);
  if (header === undefined) return undefined;
  const open = openingLine(lines, at, header.signature);
  if (open === undefined) return undefined;
  const indent = indentOf(lines[at]!);
  for (let line = open + 1; line < lines.length; line += 1) {
    const text = lines[line]!;
    // The C preprocessor writes at the left margin wherever it is.
    if (text.trim() === '' || indentOf(text) > indent || (style === 'c' && text.startsWith('#'))) continue;
    const closes = indentOf(text) === indent && /^\s*\}[,;]?\s*$/.test(text);
    return closes && line > open + 1 ? { name: header.name, header: at, body: open + 1, end: line + 1 } : undefined;
  }
  return undefined;
}

/** The line that ends in the opening brace of a signature that begins at `at`. */
function openingLine(lines: readonly string[], at: number, signature: RegExp): number | undefined {
  let text = '';
  for (let line = at; line < lines.length && line < at + maxSignatureLines; line += 1) {
    const part = lines[line]!.replace(/\s*\/\/[^"'`]*$/, '').trimEnd();
    text = line === at ? part : `${text} ${part.trim()}`;
    // A brace that does not fit opens an argument or a type; the signature may go on after it.
    if (part.endsWith('{') && signature.test(text)) return line;
    const ends = part === '' || ((part.endsWith(';') || part.endsWith('}')) && indentOf(part) <= indentOf(lines[at]!));
    if (ends) return undefined;
  }
  return undefined;
}
