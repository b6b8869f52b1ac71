import { readRecords } from './records.ts';
import { runGit } from './run.ts';

/** Where a commit stands to another one. `missing`: it is not in the repository. */
export type Standing = 'ancestor' | 'diverged' | 'missing';

/**
 * @param base a commit id as it was recorded, of any shape
 * @param head full id of a commit that is in the repository
 */
export async function standingOf(repository: string, base: string, head: string, timeoutMs: number): Promise<Standing> {
  // A shorter id would be read as an abbreviation.
  if (base.length !== head.length || !/^[0-9a-f]+$/.test(base)) return 'missing';
  const found = await runGit(repository, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${base}^{commit}`], timeoutMs);
  if (found.code !== 0) return 'missing';
  const { code } = await runGit(repository, ['merge-base', '--is-ancestor', base, head], timeoutMs);
  return code === 0 ? 'ancestor' : 'diverged';
}

export async function isShallow(repository: string, timeoutMs: number): Promise<boolean> {
  const { stdout } = await runGit(repository, ['rev-parse', '--is-shallow-repository'], timeoutMs);
  return stdout.trim() === 'true';
}

/** @param base full commit id; undefined counts every commit that head reaches */
export async function countCommits(repository: string, base: string | undefined, head: string, signal: AbortSignal): Promise<number> {
  for await (const line of readRecords(repository, ['rev-list', '--count', '--end-of-options', base === undefined ? head : `${base}..${head}`], 10, signal)) return Number(line);
  throw new Error('git rev-list counted nothing');
}

/** Names of tags whose commit head reaches and base does not, the newest first. Tags of anything but commits are left out. */
export async function* newTags(repository: string, base: string | undefined, head: string, signal: AbortSignal): AsyncGenerator<string> {
  const notBase = base === undefined ? [] : [`--no-merged=${base}`];
  yield* readRecords(repository, ['for-each-ref', '--format=%(refname:strip=2)', '--sort=refname', '--sort=-creatordate', `--merged=${head}`, ...notBase, 'refs/tags'], 10, signal);
}
