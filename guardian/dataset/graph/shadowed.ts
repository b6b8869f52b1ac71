import type { StudyFile } from '../kinds/example.ts';
import type { Call } from '../parse/parsed-file.ts';

/** In longer functions it is not looked for: every call would read all of it. */
const maxLines = 500;

/** Whether a name called inside of functions may be a parameter or a variable of theirs, and so none of the file's. */
export function isShadowed({ file: { lines }, parsed: { definitions } }: StudyFile, { name, receiver, line, from }: Call): boolean {
  const word = receiver ?? name;
  let outermost = line;
  for (let at = from; at !== undefined; at = definitions[at]!.parent) {
    const { kind, header, body, name: own } = definitions[at]!;
    if (kind !== 'function' && kind !== 'method') continue;
    outermost = header;
    const signature = lines.slice(header, Math.max(header + 1, body)).join('\n');
    if (hasWord(signature.slice(signature.indexOf(own) + own.length), word) && header !== line) return true;
  }
  if (line - outermost > maxLines) return true;
  for (let at = outermost + 1; at < line; at += 1) if (lines[at]!.includes(word) && assigns(lines[at]!, word)) return true;
  return false;
}

/** `const word`, `let { a, word }`, `word = `, `for word in`, `a, word := ` */
function assigns(text: string, word: string): boolean {
  const [left, right] = text.split(/(?::=|(?<![=!<>])=(?![=>])|\s(?:in|of)\s)(.*)/s);
  if (right === undefined || !hasWord(left!, word)) return false;
  return /^\s*(?:for\s*\(?\s*)?(?:(?:const|let|var|auto|mut)\s+)*[\w\s,:{}[\]()*&<>$]*$/.test(left!);
}

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (!isWordSign(text[at - 1]) && !isWordSign(text[at + word.length])) return true;
  }
  return false;
}

function isWordSign(sign: string | undefined): boolean {
  return sign !== undefined && /[\w$.]/.test(sign);
}
