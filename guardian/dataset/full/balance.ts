import { seededShare } from '../hash.ts';
import type { Example } from '../kinds/example.ts';
import type { Kind } from '../row.ts';
import type { DatasetSettings } from '../settings.ts';

/**
 * Keeps of each kind what its share of the characters allows, chosen by a seeded hash; file completion stays whole and
 * is what the shares are measured against. Within a kind, languages are dealt with by a power below 1 of their size,
 * as multilingual models sample (Conneau et al. 2020, section 3.1), so that a small one is not drowned.
 * @param examples of one side
 * @returns in the same order, with how many were left out
 */
export function balance(examples: readonly Example[], settings: DatasetSettings): { kept: Example[]; dropped: number } {
  const shares: Record<Exclude<Kind, 'file_completion'>, number> = {
    function_completion: settings.functionShare, fill_in_the_middle: settings.middleShare, explanation: settings.explanationShare,
    question: settings.questionShare, retrieval: settings.retrievalShare, commit_message: settings.commitShare,
  };
  const byKind = Map.groupBy(examples, ({ kind }) => kind);
  const files = byKind.get('file_completion') ?? [];
  // The total that file completion is the rest of, when every kind takes all that it may.
  const total = charsOf(files) / (1 - Object.values(shares).reduce((sum, share) => sum + share, 0));
  const kept = new Set<Example>(files);
  for (const [kind, share] of Object.entries(shares)) {
    for (const example of choose(byKind.get(kind as Kind) ?? [], share * total, settings)) kept.add(example);
  }
  return { kept: examples.filter((example) => kept.has(example)), dropped: examples.length - kept.size };
}

function charsOf(examples: readonly Example[]): number {
  return examples.reduce((sum, { chars }) => sum + chars, 0);
}

/** @param budget characters in all */
function choose(examples: readonly Example[], budget: number, settings: DatasetSettings): Example[] {
  if (charsOf(examples) <= budget) return [...examples];
  const languages = [...Map.groupBy(examples, ({ file }) => file.language.name)].map(([name, own]) => ({ name, own, size: charsOf(own) })).sort((a, b) => a.size - b.size || (a.name < b.name ? -1 : 1));
  let weight = languages.reduce((sum, { size }) => sum + size ** settings.languagePower, 0);
  let left = budget;
  // Small ones first: what they do not use goes to the larger.
  return languages.flatMap(({ own, size }) => {
    const part = (left * size ** settings.languagePower) / weight;
    const chosen = take(own, part, settings.seed);
    weight -= size ** settings.languagePower;
    left -= charsOf(chosen);
    return chosen;
  });
}

/** The examples with the lowest hashes, as many as fit. */
function take(examples: readonly Example[], budget: number, seed: bigint): Example[] {
  if (charsOf(examples) <= budget) return [...examples];
  const places = examples.map((example) => ({ example, place: placeOf(example, seed) })).sort((a, b) => a.place - b.place);
  const taken: Example[] = [];
  let size = 0;
  for (const { example } of places) {
    if (size + example.chars > budget) continue;
    size += example.chars;
    taken.push(example);
  }
  return taken;
}

/** Depends on what the example is about alone, so that others may come and go. */
export function placeOf({ kind, file, start, reason, commit }: Example, seed: bigint): number {
  return seededShare(seed, `${kind} ${file.path} ${start} ${reason} ${commit ?? ''}`);
}
