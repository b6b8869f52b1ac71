import { isUtf8 } from 'node:buffer';
import { languageOf } from './language.ts';
import { licenceHeaderLines } from './licence.ts';
import type { DatasetSettings } from './settings.ts';

export type ContentReason = 'binary' | 'empty' | 'secret' | 'lfs_pointer' | 'lock_file' | 'generated' | 'minified';

/** Looked for in comments among the first lines below a licence's header only: files that speak about generated code are not generated. */
const commentStart = /^\s*(?:\/\/|\/\*|\*|#|--|;|%|<!--|"""|''')/;
const generatedMark = /@generated\b|\bauto-?generated\b|\bgenerated (?:automatically|by|from|file)\b|\bdo not (?:edit|modify)\b/i;
const headLines = 8;
/** Python's lists of pinned packages are lock files by content, not by name. */
const pinnedMark = '--hash=sha256:';
const pinnedHash = /^\s+--hash=sha256:[0-9a-f]{64}/m;
const secretMark = /-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{32}/;

/**
 * Turns a file's bytes into text, or says why it is left out.
 * @returns text with `\n` as line end, without byte order mark
 */
export function readText(path: string, content: Buffer, settings: DatasetSettings): { text: string } | { reason: ContentReason } {
  if (content.includes(0) || !isUtf8(content)) return { reason: 'binary' };
  const text = content.toString('utf8').replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  if (text.trim() === '') return { reason: 'empty' };
  if (text.startsWith('version https://git-lfs.github.com/spec/')) return { reason: 'lfs_pointer' };
  if (secretMark.test(text)) return { reason: 'secret' };
  if (text.includes(pinnedMark) && pinnedHash.test(text)) return { reason: 'lock_file' };
  if (isGenerated(text)) return { reason: 'generated' };
  if (isMinified(path, text, settings)) return { reason: 'minified' };
  return { text };
}

function isGenerated(text: string): boolean {
  const header = licenceHeaderLines(text);
  // A mark may also stand within or above what is taken for the header.
  return text.split('\n', header + headLines).some((line) => commentStart.test(line) && generatedMark.test(line));
}

/** Prose often has a paragraph a line; code does not. */
function isMinified(path: string, text: string, settings: DatasetSettings): boolean {
  if (languageOf(path).kind === 'prose') return false;
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    const stop = end < 0 ? text.length : end;
    if (stop - start > settings.maxLineChars) return true;
    start = stop + 1;
  }
  return false;
}
