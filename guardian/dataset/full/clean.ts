import { clusterNearDuplicates } from '../duplicates/near-duplicates.ts';
import { licenceHeaderLines } from '../licence.ts';
import type { SourceFile } from '../source-file.ts';

/** A file worth learning from; its lines before `start` are a licence's header. */
export interface CleanFile {
  file: SourceFile;
  start: number;
}

/**
 * Leaves out files that are the same as others but for a little: of each cluster of near-duplicates the first by path
 * stays. What a licence's header says is not compared.
 */
export async function cleanFiles(files: readonly SourceFile[], drop: (reason: string) => void, breathe: () => Promise<void>): Promise<CleanFile[]> {
  const candidates = files.map((file): CleanFile => ({ file, start: licenceHeaderLines(file.text) })).filter(({ file, start }) => start < file.lines.length);
  const clusters = await clusterNearDuplicates(candidates.map(textAfterHeader), breathe);
  return candidates.filter((_, index) => {
    const isFirst = clusters[index] === index;
    if (!isFirst) drop('duplicate');
    return isFirst;
  });
}

/** The file's text without a licence's header. */
export function textAfterHeader({ file, start }: CleanFile): string {
  return start === 0 ? file.text : file.lines.slice(start).join('\n');
}
