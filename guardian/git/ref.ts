import { invalid } from '../../core/errors.ts';
import { isCommit } from './head.ts';
import { runGit } from './run.ts';

/**
 * The commit that a branch, a tag or a commit id names. As in git, a tag comes before a branch of the same name.
 * @param repository absolute path
 * @param ref plain name (`main`, `v1.2.0`, `refs/heads/main`) or commit id, which may be shortened; no expressions
 * @returns full commit id
 * @throws ForgeError invalid_argument (field `ref`), unavailable
 */
export async function resolveRef(repository: string, ref: string, timeoutMs: number): Promise<string> {
  checkRef(ref);
  const { code, stdout } = await runGit(repository, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`], timeoutMs);
  const commit = stdout.trim();
  if (code === 0 && isCommit(commit)) return commit;
  throw invalid('ref', `no commit is named "${ref}" in ${repository}: looked for a tag (refs/tags/${ref}), a branch (refs/heads/${ref}) and a commit id that begins so`);
}

/** @throws ForgeError invalid_argument (field `ref`) when it is not the plain name of a branch, tag or commit */
export function checkRef(ref: string): void {
  if (ref === '') throw invalid('ref', 'must not be empty; leave it out for HEAD');
  if (ref.length > 255) throw invalid('ref', 'must be at most 255 characters long');
  if (ref.startsWith('-')) throw invalid('ref', 'must not begin with a dash');
  if (/[\0-\x20\x7f]/.test(ref)) throw invalid('ref', 'must not contain spaces or control characters');
  if (/\.\.|@\{|[:~^?*[\\]/.test(ref)) throw invalid('ref', 'must be the plain name of a branch, a tag or a commit, without any of .. @{ : ~ ^ ? * [ \\');
}
