import { createClusters, type Clusters } from './clusters.ts';
import { createShingleReader, distinct, mix, resemblance } from './shingles.ts';
import { bins, estimate, writeSignature } from './signature.ts';

/** Two texts of at least this Jaccard resemblance of shingles are near-duplicates. */
export const threshold = 0.8;
/**
 * Locality-sensitive hashing: texts are compared when all minima of any band are equal. With 32 bands of 4 a pair at
 * the threshold is missed once in 10^7, and one at 0.4 is compared one time in two.
 */
const bandRows = 4;
/** More than five standard deviations under the threshold: such pairs need no exact count. */
const hopeless = 0.6;
/** Under so many shingles most bins are borrowed and the estimate says little. */
const fewShingles = 2 * bins;
/** Texts of one bucket that later ones are compared with, so that boilerplate does not cost its square. */
const maxCompared = 64;
/** Shingles kept from one comparison to the next. */
const maxKept = 8 << 20;

/**
 * Clusters near-duplicates: texts are linked when they are equal or their shingles resemble by `threshold`, counted
 * exactly, and clusters are what links connect. A text that is a small part of another is none.
 * A function of the texts and their order alone.
 * @param breathe awaited between pieces of work
 * @returns for each text the index of its cluster's first text
 */
export async function clusterNearDuplicates(texts: readonly string[], breathe: () => Promise<void>): Promise<number[]> {
  const clusters = createClusters(texts.length);
  const reader = createShingleReader();
  const signatures = new Uint32Array(texts.length * bins);
  const signature = (index: number): Uint32Array => signatures.subarray(index * bins, (index + 1) * bins);
  const sizes = new Uint32Array(texts.length);
  const firsts = new Map<string, number>();
  const compared: number[] = [];
  for (const [index, text] of texts.entries()) {
    await breathe();
    const first = firsts.get(text);
    if (first !== undefined) {
      clusters.join(first, index);
      continue;
    }
    firsts.set(text, index);
    const shingles = reader.read(text);
    sizes[index] = shingles.length;
    if (shingles.length === 0) continue;
    writeSignature(shingles, signature(index));
    compared.push(index);
  }
  const setOf = createSets(texts);
  const alike = (a: number, b: number): boolean => {
    if (Math.min(sizes[a]!, sizes[b]!) >= fewShingles && estimate(signature(a), signature(b)) < hopeless) return false;
    return resemblance(setOf(a), setOf(b)) >= threshold;
  };
  // Band by band, so that one band's buckets are in memory and not those of all.
  for (let band = 0; band < bins / bandRows; band += 1) {
    await linkBand(compared, (index) => bandKey(signatures, index * bins + band * bandRows), alike, clusters, breathe);
  }
  return texts.map((_, index) => clusters.find(index));
}

/** Compares the texts that share a bucket and links those that are alike. */
async function linkBand(compared: readonly number[], keyOf: (index: number) => number, alike: (a: number, b: number) => boolean, clusters: Clusters, breathe: () => Promise<void>): Promise<void> {
  const buckets = new Map<number, number | number[]>();
  for (const index of compared) {
    const key = keyOf(index);
    const bucket = buckets.get(key);
    // Most buckets hold one text, which needs no list.
    if (bucket === undefined) buckets.set(key, index);
    else if (typeof bucket === 'number') buckets.set(key, [bucket, index]);
    else bucket.push(index);
  }
  for (const bucket of buckets.values()) {
    if (typeof bucket === 'number') continue;
    for (const [at, index] of bucket.entries()) {
      await breathe();
      for (const earlier of bucket.slice(0, Math.min(at, maxCompared))) {
        if (clusters.find(earlier) !== clusters.find(index) && alike(earlier, index)) clusters.join(earlier, index);
      }
    }
  }
}

/** A signed number of 32 bits, which a map keeps without a box. */
function bandKey(signatures: Uint32Array, from: number): number {
  let key = 0;
  for (let row = 0; row < bandRows; row += 1) key = mix(Math.imul(key, 31) + signatures[from + row]!);
  return key | 0;
}

/** The distinct shingles of texts by index: made when asked for, kept while there is room. */
function createSets(texts: readonly string[]): (index: number) => Uint32Array {
  const reader = createShingleReader();
  const kept = new Map<number, Uint32Array>();
  let size = 0;
  return (index) => {
    const known = kept.get(index);
    if (known !== undefined) return known;
    const made = distinct(reader.read(texts[index]!));
    if (size > maxKept) {
      kept.clear();
      size = 0;
    }
    kept.set(index, made);
    size += made.length;
    return made;
  };
}
