import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * What a stamp file holds: it changes whenever one of the files it was made from does.
 * @param {string[]} paths
 * @param {string} [more] anything else it depends on
 */
export function digestOf(paths, more = '') {
  const hash = createHash('sha256').update(more);
  for (const path of paths) hash.update('\0').update(readFileSync(path));
  return hash.digest('hex');
}

/** @returns {string | undefined} what the stamp file holds */
export function readStamp(path) {
  try { return readFileSync(path, 'utf8').trim(); } catch { return undefined; }
}
