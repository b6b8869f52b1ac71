import { readAttributes, type FileAttributes } from '../git/attributes.ts';
import { readObjects } from '../git/cat-file.ts';
import { listTree, type TreeFile } from '../git/tree.ts';
import { readText } from './content-filter.ts';
import { seededShare } from './hash.ts';
import { isLicenceText } from './licence.ts';
import { pathReason } from './path-filter.ts';
import type { DatasetSettings } from './settings.ts';
import { sourceFile, type SourceFile } from './source-file.ts';

export interface Collected {
  /** Sorted by the bytes of their path. */
  files: SourceFile[];
  /** How many files were left out, by reason. */
  dropped: Map<string, number>;
  /** Files in the tree, and the bytes that were read. */
  listed: number;
  bytes: number;
}

/**
 * Reads the text files of a commit that are worth learning from, out of git's objects alone: what lies in the
 * working directory is not looked at.
 * @param progress called with a share from 0 to 1
 */
export async function collectFiles(repository: string, commit: string, settings: DatasetSettings, signal: AbortSignal, progress: (share: number) => void): Promise<Collected> {
  const listing = await listTree(repository, commit, signal);
  const dropped = new Map<string, number>();
  const drop = (reason: string, count = 1): void => void dropped.set(reason, (dropped.get(reason) ?? 0) + count);
  for (const [reason, count] of Object.entries(listing.skipped)) if (count > 0) drop(reason, count);

  const seen = new Set<string>();
  const attributes = settings.recipe === 'full' ? await readAttributes(repository, commit, listing.files.map(({ path }) => path), signal) : undefined;
  const candidates = listing.files.filter((file) => {
    const reason = attributeReason(attributes?.get(file.path)) ?? pathReason(file, settings) ?? (seen.has(file.object) ? 'duplicate' : undefined);
    if (reason !== undefined) drop(reason);
    else seen.add(file.object);
    return reason === undefined;
  });
  const wanted = withinTotal(candidates, settings);
  if (wanted.length < candidates.length) drop('over_total_size', candidates.length - wanted.length);

  const files: SourceFile[] = [];
  let bytes = 0;
  let number = 0;
  const maxBytes = Math.max(settings.maxFileBytes, settings.maxDataFileBytes);
  for await (const content of readObjects(repository, wanted.map((file) => file.object), maxBytes, signal)) {
    const { path } = wanted[number]!;
    const read = readText(path, content, settings);
    if ('reason' in read) drop(read.reason);
    else if (settings.recipe === 'full' && isLicenceText(path, read.text)) drop('licence');
    else files.push(sourceFile(path, read.text));
    number += 1;
    bytes += content.length;
    progress(number / wanted.length);
  }
  return { files, dropped, listed: listing.files.length, bytes };
}

function attributeReason(attributes: FileAttributes | undefined): 'generated' | 'vendored' | 'binary' | undefined {
  if (attributes === undefined) return undefined;
  return attributes.generated ? 'generated' : attributes.vendored ? 'vendored' : attributes.binary ? 'binary' : undefined;
}

/** Where the whole is too large, a seeded sample of the files; the order stays. */
function withinTotal(files: readonly TreeFile[], settings: DatasetSettings): readonly TreeFile[] {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total <= settings.maxTotalBytes) return files;
  const kept = new Set<string>();
  let size = 0;
  const shuffled = files.map((file) => ({ file, place: seededShare(settings.seed, file.path) })).sort((a, b) => a.place - b.place);
  for (const { file } of shuffled) {
    size += file.size;
    if (size > settings.maxTotalBytes) break;
    kept.add(file.path);
  }
  return files.filter((file) => kept.has(file.path));
}
