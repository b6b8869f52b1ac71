import type { FunctionStyle } from '../language.ts';

/** The beginning of a function: its name, and what the whole signature (to the opening brace) must look like. */
export interface Header {
  name: string;
  signature: RegExp;
}

const notNames = new Set('if for while switch catch with function return await new typeof do else throw super sizeof case delete yield using lock foreach import export static_assert'.split(' '));
const openBrace = /\{$/;
/** `) {` or `): Type {`: not the brace of a type among the parameters. */
const afterParameters = /\)\s*(?::[^=]*)?\{$/;

const javascriptFunction = /^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?function\s*\*?\s*([\w$]+)\s*[(<]/;
const javascriptValue = /^\s*(?:export\s+)?(?:const|let|var)\s+([\w$]+)\s*[=:]/;
const javascriptMethod = /^\s+(?:(?:public|private|protected|static|async|override|get|set)\s+)*\*?\s*(#?[\w$]+)\s*[(<]/;
const goFunction = /^func\s+(?:\([^)]*\)\s*)?(\w+)\s*[([]/;
const rustFunction = /^\s*(?:pub(?:\([^)]*\))?\s+)?(?:(?:const|async|unsafe|default|extern)\s+(?:"[^"]*"\s+)?)*fn\s+(\w+)\s*[(<]/;

/** Recognises the first line of a function in a language whose blocks have braces. */
export function headerOf(line: string, style: FunctionStyle): Header | undefined {
  switch (style) {
    case 'javascript':
      return named(javascriptFunction.exec(line), afterParameters) ?? named(javascriptValue.exec(line), /(?:=>|\bfunction\b[^{]*)\s*\{$/) ?? named(javascriptMethod.exec(line), afterParameters);
    case 'go':
      return named(goFunction.exec(line), openBrace);
    case 'rust':
      return named(rustFunction.exec(line), openBrace);
    case 'java':
    case 'c':
      return typedHeader(line);
    case 'python':
      return undefined;
  }
}

/** `modifiers type name(`: what comes before the first parenthesis are words and type signs, and at least two. */
function typedHeader(line: string): Header | undefined {
  const parenthesis = line.indexOf('(');
  if (parenthesis < 0) return undefined;
  const words = /^([\w\s.<>[\],?*&:~@]*?[\s*&:])(~?\w+)\s*$/.exec(line.slice(0, parenthesis));
  if (words === null || words[1]!.trim() === '') return undefined;
  const first = /\w+/.exec(words[1]!)?.[0] ?? '';
  return notNames.has(first) ? undefined : named([words[0], words[2]!], /[)\w>]\s*(?::[^;]*)?\{$/);
}

function named(match: ArrayLike<string> | null, signature: RegExp): Header | undefined {
  const name = match?.[1];
  return name === undefined || notNames.has(name) ? undefined : { name, signature };
}
