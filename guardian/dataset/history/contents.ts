import { isUtf8 } from 'node:buffer';
import { readObjects } from '../../git/cat-file.ts';
import type { Commit } from './commits.ts';
import { HistoryGap, readParts } from './read-output.ts';

/** Larger files give no short difference worth the reading. */
const maxBytes = 128 << 10;
/** A line of an id, a type and a size each. */
const maxCheckedChars = 1 << 20;

/**
 * Reads what commits changed as lines, commit by commit, so that never more than one commit's files are in memory.
 * What is large or no text is left out.
 * @returns for each commit, in order, the lines of its contents by their ids
 * @throws HistoryGap when the repository lacks one (a partial clone)
 */
export async function* readLines(repository: string, commits: readonly Commit[], signal: AbortSignal): AsyncGenerator<Map<string, readonly string[]>> {
  const objectsOf = commits.map(({ changes }) => [...new Set(changes.flatMap(({ before, after }) => (before === undefined ? [after] : [before, after])))]);
  const all = [...new Set(objectsOf.flat())];
  if (all.length === 0) return;
  const small = new Set<string>();
  // `<id> blob <size>` or `<id> missing`, a line each
  for await (const line of readParts(repository, ['cat-file', '--batch-check'], '\n', `${all.join('\n')}\n`, { left: maxCheckedChars, isSpent: false }, signal)) {
    const [id = '', type, size] = line.split(' ');
    if (type === 'missing') throw new HistoryGap('the repository is a partial clone, without all old contents');
    if (type === 'blob' && Number(size) <= maxBytes) small.add(id);
  }
  const wanted = objectsOf.map((objects) => objects.filter((id) => small.has(id)));
  const contents = readObjects(repository, wanted.flat(), maxBytes, signal);
  for (const objects of wanted) {
    const texts = new Map<string, readonly string[]>();
    for (const id of objects) {
      const { value: content } = await contents.next();
      if (content instanceof Buffer && !content.includes(0) && isUtf8(content)) texts.set(id, content.toString('utf8').replace(/\r\n?/g, '\n').replace(/\n+$/, '').split('\n'));
    }
    yield texts;
  }
}
