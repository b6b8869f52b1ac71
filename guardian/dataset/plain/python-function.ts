import { indentOf, maxSignatureLines, type FoundFunction } from './found-function.ts';

const header = /^\s*(?:async\s+)?def\s+(\w+)\s*[([]/;
const docstring = /^\s*[rRuU]?("""|''')/;

/** A Python function whose `def` is at line `at`. A docstring belongs to the signature: it says what is asked for. */
export function findPythonFunction(lines: readonly string[], at: number): FoundFunction | undefined {
  const name = header.exec(lines[at]!)?.[1];
  if (name === undefined) return undefined;
  const signatureEnd = endOfSignature(lines, at);
  if (signatureEnd === undefined) return undefined;
  const indent = indentOf(lines[at]!);
  let end = signatureEnd;
  for (let line = signatureEnd; line < lines.length; line += 1) {
    if (lines[line]!.trim() === '') continue;
    if (indentOf(lines[line]!) <= indent) break;
    end = line + 1;
  }
  const body = afterDocstring(lines, signatureEnd, end);
  if (body === undefined || body >= end || cutsString(lines, body, end)) return undefined;
  return { name, header: at, body, end };
}

/** The line after the one whose colon ends the signature. */
function endOfSignature(lines: readonly string[], at: number): number | undefined {
  let depth = 0;
  for (let line = at; line < lines.length && line < at + maxSignatureLines; line += 1) {
    // Default values may hold parentheses and colons in strings.
    const code = lines[line]!.replace(/"[^"]*"|'[^']*'/g, '').replace(/#.*$/, '').trimEnd();
    for (const sign of code) {
      if (sign === '(' || sign === '[' || sign === '{') depth += 1;
      else if (sign === ')' || sign === ']' || sign === '}') depth -= 1;
    }
    if (depth <= 0) return code.endsWith(':') ? line + 1 : undefined;
  }
  return undefined;
}

function afterDocstring(lines: readonly string[], start: number, end: number): number | undefined {
  let first = start;
  while (first < end && lines[first]!.trim() === '') first += 1;
  const quote = docstring.exec(lines[first] ?? '')?.[1];
  if (quote === undefined) return first;
  const opening = lines[first]!.indexOf(quote) + quote.length;
  let last = first;
  if (!lines[first]!.includes(quote, opening)) {
    do last += 1;
    while (last < end && !lines[last]!.includes(quote));
  }
  if (last >= end) return undefined;
  let body = last + 1;
  while (body < end && lines[body]!.trim() === '') body += 1;
  return body;
}

/** Text at the left margin inside a long string looks like the end of the body: the string is then not closed. */
function cutsString(lines: readonly string[], start: number, end: number): boolean {
  const body = lines.slice(start, end).join('\n');
  return (body.split('"""').length - 1) % 2 === 1 || (body.split("'''").length - 1) % 2 === 1;
}
