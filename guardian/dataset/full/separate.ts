import type { Example } from '../kinds/example.ts';
import type { HeldoutFile } from '../row.ts';
import { createWindowReader, type WindowReader } from './tokens.ts';
import { createWindowSet } from './window-set.ts';

/** A held-out file that costs so many times its own length in training examples is the worse one to keep. */
const maxCost = 4;
/** A held-out file of which more than this share stands in training examples is no test of anything. */
const maxSeenShare = 0.3;
/** Held-out files are given up while more than this share of them is left; what overlaps these costs training. */
const keptFiles = 0.5;

export interface Sides {
  train: Example[];
  heldout: Example[];
  heldoutFiles: HeldoutFile[];
}

export interface Drops {
  /** Called with the reason of each example that is left out. */
  row(reason: string, count?: number): void;
  /** The same for held-out files, whose examples go with them. */
  file(reason: string): void;
}

/** A training example that shares runs of tokens with held-out files. */
interface Suspect {
  example: Example;
  shared: number[];
}

/**
 * Sees to it that no run of 50 tokens stands both in a training example and in a held-out file or example. A training
 * example that shares one with a held-out file goes; the held-out file goes where that would cost too much. A held-out
 * example goes that shares one which is in no held-out file: a list of names, say.
 */
export async function separate(sides: Sides, drop: Drops, breathe: () => Promise<void>): Promise<Sides> {
  const reader = createWindowReader();
  const inFiles = createWindowSet();
  for (const { text } of sides.heldoutFiles) {
    await breathe();
    const windows = reader.read([text]);
    for (let at = 0; at < windows.length; at += 1) inFiles.add(windows[at]!);
  }
  const inExamples = createWindowSet();
  for (const example of sides.heldout) {
    const windows = windowsOf(example, reader);
    for (let at = 0; at < windows.length; at += 1) if (!inFiles.has(windows[at]!)) inExamples.add(windows[at]!);
  }

  const suspects: Suspect[] = [];
  const named = new Set<number>();
  for (const example of sides.train) {
    await breathe();
    const shared: number[] = [];
    const windows = windowsOf(example, reader);
    // By index: there are millions, and an iterator takes twice the time.
    for (let at = 0; at < windows.length; at += 1) {
      const hash = windows[at]!;
      if (inFiles.has(hash)) shared.push(hash);
      else if (inExamples.has(hash)) named.add(hash);
    }
    if (shared.length > 0) suspects.push({ example, shared });
  }

  const { files, guilty } = await settle(sides.heldoutFiles, suspects, reader, breathe);
  if (guilty.size > 0) drop.row('seen_in_heldout', guilty.size);
  for (let gone = sides.heldoutFiles.length - files.length; gone > 0; gone -= 1) drop.file('seen_in_training');
  const paths = new Set(files.map(({ path }) => path));
  const stands = ({ file, others = [] }: Example): boolean => [file, ...others].every(({ path }) => paths.has(path));
  const heldout = sides.heldout.filter((example) => {
    if (!stands(example)) return false;
    const isSeen = named.size > 0 && windowsOf(example, reader).some((hash) => named.has(hash));
    if (isSeen) drop.row('seen_in_training');
    return !isSeen;
  });
  return { train: sides.train.filter((example) => !guilty.has(example)), heldout, heldoutFiles: files };
}

/** Decides which held-out files stay, and which training examples go for them. */
async function settle(files: readonly HeldoutFile[], suspects: readonly Suspect[], reader: WindowReader, breathe: () => Promise<void>): Promise<{ files: HeldoutFile[]; guilty: Set<Example> }> {
  const sharedBy = new Map<number, number[]>(suspects.flatMap(({ shared }) => shared.map((hash) => [hash, []])));
  const seenShares: number[] = [];
  for (const [index, { text }] of files.entries()) {
    await breathe();
    const windows = reader.read([text]);
    let seen = 0;
    for (let at = 0; at < windows.length; at += 1) {
      const owners = sharedBy.get(windows[at]!);
      if (owners === undefined) continue;
      seen += 1;
      if (owners.at(-1) !== index) owners.push(index);
    }
    seenShares.push(seen / Math.max(1, windows.length));
  }
  const ownersOf = suspects.map(({ shared }) => new Set(shared.flatMap((hash) => sharedBy.get(hash)!)));
  const costs = files.map(() => 0);
  for (const [index, { example }] of suspects.entries()) for (const owner of ownersOf[index]!) costs[owner]! += example.chars;
  const worst = files
    .map(({ text }, index) => ({ index, cost: costs[index]! / text.length }))
    .filter(({ index, cost }) => cost > maxCost || seenShares[index]! > maxSeenShare)
    .sort((a, b) => b.cost - a.cost || a.index - b.index);
  const gone = new Set(worst.slice(0, Math.floor(files.length * (1 - keptFiles))).map(({ index }) => index));
  const guilty = suspects.filter((_, index) => [...ownersOf[index]!].some((owner) => !gone.has(owner)));
  return { files: files.filter((_, index) => !gone.has(index)), guilty: new Set(guilty.map(({ example }) => example)) };
}

/** Of the whole row: a run may begin in what is asked and end in the answer. */
function windowsOf(example: Example, reader: WindowReader): Float64Array {
  const { prompt, answer } = example.write();
  return reader.read([prompt, answer]);
}
