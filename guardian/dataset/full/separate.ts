import type { Example } from '../kinds/example.ts';
import type { HeldoutFile } from '../row.ts';
import { eachWindow } from './tokens.ts';
import { createWindowTable, type WindowTable } from './window-table.ts';

/** A held-out file that costs so many times its own length in training examples is the worse one to keep. */
const maxCost = 4;
/** A held-out file of which more than this share stands in training is no test of anything. */
const maxSeenShare = 0.3;
/** Held-out files are given up until this share of them is left; what overlaps these costs training, whatever it is. */
const keptFiles = 0.5;

export interface Separated {
  /** What is left of each. */
  train: Example[];
  heldout: Example[];
  heldoutFiles: HeldoutFile[];
}

/**
 * Sees to it that no run of 50 tokens stands both in a training example and in a held-out file or example. A training
 * example that shares one with a held-out file goes; the held-out file goes where that costs too much. A held-out
 * example that shares one which is in no held-out file, a list of names say, goes.
 * @param drop called with the reason of each example that is left out
 * @param dropFile the same for held-out files, whose examples go with them
 */
export async function separate(given: Separated, drop: (reason: string, count?: number) => void, dropFile: (reason: string) => void, breathe: () => Promise<void>): Promise<Separated> {
  let files = [...given.heldoutFiles];
  const least = Math.ceil(files.length * keptFiles);
  let suspects = given.train;
  const clean = new Set<Example>();
  let table: WindowTable;
  let named: Set<number>;
  for (let isFirst = true; ; isFirst = false) {
    table = await tableOf(files, given.heldout, breathe);
    const overlapping: { example: Example; owners: Set<number> }[] = [];
    const seenWindows = files.map(() => new Set<number>());
    if (isFirst) named = new Set();
    for (const example of suspects) {
      await breathe();
      const owners = new Set<number>();
      eachWindow(textsOf(example), (hash) => {
        const owner = table.get(hash);
        if (owner < 0) return;
        if (owner === files.length) return void named.add(hash);
        owners.add(owner);
        seenWindows[owner]!.add(hash);
      });
      if (owners.size === 0) clean.add(example);
      else overlapping.push({ example, owners });
    }
    suspects = overlapping.map(({ example }) => example);
    const costs = files.map(() => 0);
    for (const { example, owners } of overlapping) for (const owner of owners) costs[owner]! += example.chars;
    const given_up = files
      .map((file, index) => ({ index, cost: costs[index]! / file.text.length, seen: (seenWindows[index]!.size * 3) / file.text.length }))
      .filter(({ cost, seen }) => cost > maxCost || seen > maxSeenShare)
      .sort((a, b) => b.cost - a.cost || a.index - b.index)
      .slice(0, files.length - least);
    if (given_up.length === 0) break;
    const gone = new Set(given_up.map(({ index }) => index));
    files = files.filter((_, index) => !gone.has(index));
    for (const _ of given_up) dropFile('seen_in_training');
  }
  drop('seen_in_heldout', suspects.length);
  const paths = new Set(files.map(({ path }) => path));
  const heldout: Example[] = [];
  for (const example of given.heldout) {
    if (!paths.has(example.file.path) || example.others?.some(({ path }) => !paths.has(path))) continue;
    let isSeen = false;
    if (named!.size > 0) eachWindow(textsOf(example), (hash) => (isSeen ||= named.has(hash)));
    if (isSeen) drop('seen_in_training');
    else heldout.push(example);
  }
  return { train: given.train.filter((example) => clean.has(example)), heldout, heldoutFiles: files };
}

export function textsOf(example: Example): [string, string] {
  const { prompt, answer } = example.write();
  return [prompt, answer];
}

/** Windows of held-out files with the file's number; those of held-out examples that are in no file, with the next number. */
async function tableOf(files: readonly HeldoutFile[], examples: readonly Example[], breathe: () => Promise<void>): Promise<WindowTable> {
  const texts = examples.map(textsOf);
  const chars = files.reduce((sum, { text }) => sum + text.length, 0) + texts.reduce((sum, [prompt, answer]) => sum + prompt.length + answer.length, 0);
  const table = createWindowTable(chars);
  for (const [index, { text }] of files.entries()) {
    await breathe();
    eachWindow([text], (hash) => table.add(hash, index));
  }
  for (const parts of texts) eachWindow(parts, (hash) => table.add(hash, files.length));
  return table;
}
