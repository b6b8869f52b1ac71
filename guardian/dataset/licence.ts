import { languageOf } from './language.ts';

const licenceName = /^(?:(?:un)?licen[cs]es?|copying|copyright|notice|(?:mit|apache|bsd|isc|l?gpl|agpl|mpl)[-_]licen[cs]e)(?:[.-][\w.+-]*)?$/i;
/** `zlib`, `MIT.txt`, `GPL-3.0-or-later.txt` */
const licenceFile = /^[\w+-]+(?:\.\d[\w+-]*)?(?:\.(?:txt|md))?$/i;
const licenceFolders = new Set(['licenses', 'licences']);

/** Sentences of MIT, ISC, BSD, Apache-2.0, (L/A)GPL, MPL-2.0, the Unlicense and Boost, as their paragraphs have them. */
const phrases =
  /permission is hereby granted|permission to use, copy, modify|above copyright notice and this permission|redistribution and use in source and binary|redistributions (?:of source code|in binary form) must|neither the name of|provided ["“'`]*as is["”'`]*|the software is provided|this software is provided by|in no event shall|licensed under the (?:apache|mit|bsd|gnu|mozilla)|may obtain a copy of the license|free software[:;,] you can redistribute|general public license|mozilla public license|free and unencumbered software|released into the public domain|dedicate any and all copyright interest|under copyright law|^\W*copyright (?:\(c\)|©|\d{4})|\b(?:mit|isc|bsd|apache|boost software) licen[cs]e\b/im;
/** Long licences: the title stands at the head, the mark somewhere in the text. */
const longLicences: readonly (readonly [title: RegExp, mark: RegExp])[] = [
  [/apache license\s+version 2\.0/i, /terms and conditions for use, reproduction, and distribution/i],
  [/gnu (?:lesser |library |affero )?general public license/i, /everyone is permitted to copy and distribute verbatim copies/i],
  [/mozilla public license,? version/i, /covered software|covered code/i],
  [/creative commons|cc0/i, /(?:licensor|affirmer)\b/i],
  [/eclipse public license/i, /this agreement/i],
];
const headChars = 600;
/** A text of which at least this share of paragraphs, by length, is licence is a licence. */
const dominatingShare = 0.5;

/**
 * Whether a file is the text of a licence and nothing to learn from, by its name or by what it says. A source file
 * with a licence above its code is none.
 */
export function isLicenceText(path: string, text: string): boolean {
  const language = languageOf(path);
  if (language.kind === 'data' || (language.kind === 'code' && language.name !== 'other')) return false;
  const parts = path.split('/');
  const name = parts.at(-1)!;
  if (licenceName.test(name)) return true;
  if (parts.slice(0, -1).some((part) => licenceFolders.has(part.toLowerCase())) && licenceFile.test(name)) return true;
  const head = text.slice(0, headChars);
  return longLicences.some(([title, mark]) => title.test(head) && mark.test(text)) || licenceShare(text) >= dominatingShare;
}

function licenceShare(text: string): number {
  let licence = 0;
  let all = 0;
  for (const paragraph of text.split(/\n[ \t]*\n/)) {
    all += paragraph.length;
    // Sentences are wrapped anywhere.
    if (phrases.test(paragraph.replace(/\s+/g, ' '))) licence += paragraph.length;
  }
  return all === 0 ? 0 : licence / all;
}

/** What only a licence header says. */
const headerMark = /copyright(?:\s+notice|[\s:]*(?:\(c\)|©|&copy;|\d{4}|by\b|the\b))|©\s*\d{4}|\(c\)\s*\d{4}|spdx-license-identifier|spdx-filecopyrighttext|licen[cs]ed (?:under|to the)|all rights reserved|permission is hereby granted|redistribution and use|general public license|governed by an? |\b(?:mit|bsd|apache|mozilla public|isc) (?:style )?licen[cs]e|this (?:file|software|program) is (?:part of|free software|in the public domain|released into the public domain|distributed)|released into the public domain/i;
/** What has to stand before any comment. */
const preamble = /^(?:#!|<\?(?:php|xml)|<!doctype|#.*coding[:=]|\s*$)/i;
const blocks: readonly (readonly [open: RegExp, close: string])[] = [[/^\s*\/\*/, '*/'], [/^\s*<!--/, '-->'], [/^\s*"""/, '"""'], [/^\s*'''/, "'''"], [/^\s*\(\*/, '*)'], [/^\s*\{-/, '-}']];
const lineComment = /^\s*(\/\/|#(?!!|\s*(?:include|define|if|ifdef|ifndef|pragma|import)\b|\[)|--|;|%|")/;
const maxHeaderLines = 300;

/**
 * Counts the lines at the head of a source file that are a licence header, so that examples can leave them out: all
 * comments from the first that speaks of copyright or licence, with the empty lines after each, up to the first that does not. A
 * shebang and other lines that must come first are counted with it.
 * @returns 0 when the file does not begin with a licence header
 */
export function licenceHeaderLines(text: string): number {
  const lines = text.split('\n', maxHeaderLines + 1);
  let at = 0;
  while (at < lines.length && preamble.test(lines[at]!)) at += 1;
  let header = 0;
  for (;;) {
    const end = commentEnd(lines, at);
    if (end === at || !headerMark.test(lines.slice(at, end).join(' '))) return header;
    at = end;
    while (at < lines.length && lines[at]!.trim() === '') at += 1;
    header = at;
  }
}

/** @returns the line after the comment that begins at `at`; `at` itself when none does, or it has no end */
function commentEnd(lines: readonly string[], at: number): number {
  const line = lines[at];
  if (line === undefined) return at;
  const block = blocks.find(([open]) => open.test(line));
  if (block !== undefined) {
    const [open, close] = block;
    const first = line.replace(open, '');
    if (first.includes(close)) return first.trimEnd().endsWith(close) ? at + 1 : at;
    for (let end = at + 1; end < lines.length; end += 1) {
      // Code after the comment's end keeps its line, and so the comment stays.
      if (lines[end]!.includes(close)) return lines[end]!.trimEnd().endsWith(close) ? end + 1 : at;
    }
    return at;
  }
  const mark = lineComment.exec(line)?.[1];
  let end = at;
  while (mark !== undefined && end < lines.length && lineComment.exec(lines[end]!)?.[1] === mark) end += 1;
  return end;
}
