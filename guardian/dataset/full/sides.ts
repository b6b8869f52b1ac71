import { likenessKey, seededShare } from '../hash.ts';
import type { HeldoutFile, Side } from '../row.ts';
import type { DatasetSettings } from '../settings.ts';
import type { SourceFile } from '../source-file.ts';
import { split } from '../split.ts';

/** A file with fewer characters than this, blank ones apart, gives next to nothing to measure: it is trained on. */
const minHeldoutChars = 200;

/** The side of each file, by a seeded hash of its path; small ones are held out only where there are no others. */
export function sidesOf(files: readonly SourceFile[], settings: DatasetSettings): Side[] {
  const large = files.filter(({ text }) => hasChars(text, minHeldoutChars));
  const candidates = large.length >= 2 ? large : files;
  const sides = split(candidates.map(({ path, text }) => ({ key: path, group: likenessKey(text) })), settings.heldoutShare, settings.seed);
  const heldout = new Set(candidates.filter((_, index) => sides[index] === 'heldout'));
  return files.map((file) => (heldout.has(file) ? 'heldout' : 'train'));
}

/** Whether a text has so many characters, blank ones apart. Read no further than that. */
function hasChars(text: string, least: number): boolean {
  let count = 0;
  for (const [word] of text.matchAll(/\S+/g)) if ((count += word.length) >= least) return true;
  return false;
}

/** Held-out files, whole: where they are longer together than need be, a seeded sample, in their order. */
export function sampleFiles(files: readonly HeldoutFile[], { seed, maxHeldoutFileChars }: DatasetSettings): HeldoutFile[] {
  const shuffled = [...files].sort((a, b) => seededShare(seed, a.path) - seededShare(seed, b.path));
  const kept = new Set<HeldoutFile>();
  let chars = 0;
  for (const file of shuffled) {
    if (kept.size > 0 && chars + file.text.length > maxHeldoutFileChars) continue;
    chars += file.text.length;
    kept.add(file);
  }
  return files.filter((file) => kept.has(file));
}
