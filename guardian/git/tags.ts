import { createHash } from 'node:crypto';
import { readRecords } from './records.ts';

/** SHA-256, in hex, of a repository's tags and what they point to: it changes with each tag that comes, goes or moves. */
export async function digestTags(repository: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const line of readRecords(repository, ['for-each-ref', '--format=%(objectname) %(refname)', 'refs/tags'], 10, signal)) hash.update(`${line}\n`);
  return hash.digest('hex');
}
