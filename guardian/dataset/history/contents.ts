import { isUtf8 } from 'node:buffer';
import { readObjects } from '../../git/cat-file.ts';
import { output } from './commits.ts';

/** Larger files give no short difference worth the reading. */
const maxBytes = 128 << 10;

/**
 * Reads old contents as lines. What is large, missing (a partial copy of a repository) or no text is left out.
 * @param objects ids of blobs
 */
export async function readLines(repository: string, objects: readonly string[], signal: AbortSignal): Promise<Map<string, readonly string[]>> {
  const texts = new Map<string, readonly string[]>();
  if (objects.length === 0) return texts;
  // `<id> blob <size>` or `<id> missing`, a line each
  const checked = await output(repository, ['cat-file', '--batch-check'], `${objects.join('\n')}\n`, signal);
  const wanted = checked.split('\n').map((line) => line.split(' ')).filter(([, type, size]) => type === 'blob' && Number(size) <= maxBytes).map(([id]) => id!);
  let number = 0;
  for await (const content of readObjects(repository, wanted, maxBytes, signal)) {
    const id = wanted[number]!;
    number += 1;
    if (!content.includes(0) && isUtf8(content)) texts.set(id, content.toString('utf8').replace(/\r\n?/g, '\n').replace(/\n+$/, '').split('\n'));
  }
  return texts;
}
