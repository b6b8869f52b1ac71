import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { runGit } from './run.ts';

/** What a folder is to git, and the commit that HEAD names now. */
export type Head =
  | { kind: 'repository'; gitDirs: string[]; commit: string }
  /** A repository without a commit. */
  | { kind: 'empty' }
  | { kind: 'not a repository' }
  /** It belongs to another user, and git refuses to read it. */
  | { kind: 'foreign' }
  | { kind: 'broken'; reason: string };

/**
 * Reads HEAD of the repository whose top is `folder` (or which is a bare one).
 * @param folder absolute real path
 * @throws ForgeError unavailable (git is missing or too slow)
 */
export async function readHead(folder: string, timeoutMs: number): Promise<Head> {
  // One process answers everything: what comes before the failing argument is printed all the same.
  const { code, stdout, stderr } = await runGit(folder, ['rev-parse', '--is-bare-repository', '--is-inside-git-dir', '--absolute-git-dir', '--git-common-dir', 'HEAD^{commit}'], timeoutMs);
  if (stderr.includes('dubious ownership')) return { kind: 'foreign' };
  const [bare, insideGitDir, gitDir, commonDir, commit = ''] = stdout.split('\n');
  if (gitDir === undefined || commonDir === undefined) {
    return stderr.includes('not a git repository') ? { kind: 'not a repository' } : { kind: 'broken', reason: firstLine(stderr) };
  }
  if (bare === 'false' && insideGitDir === 'true') return { kind: 'not a repository' };
  if (code !== 0 || !isCommit(commit)) {
    return stderr.includes('unknown revision') ? { kind: 'empty' } : { kind: 'broken', reason: firstLine(stderr) };
  }
  const gitDirs = await Promise.all([gitDir, resolve(folder, commonDir)].map((path) => realpath(path)));
  return { kind: 'repository', gitDirs, commit };
}

/** Why a folder can't be worked with, and what to do about it. */
export function headProblem(head: Exclude<Head, { kind: 'repository' }>, folder: string): string {
  switch (head.kind) {
    case 'empty':
      return `the repository ${folder} has no commit yet; commit its files first`;
    case 'not a repository':
      return `${folder} is not the top folder of a git repository; run git init and commit its files, or give the top folder`;
    case 'foreign':
      return `the repository ${folder} belongs to another user; to trust it, run: git config --global --add safe.directory ${folder}`;
    case 'broken':
      return `git can not read the repository ${folder}: ${head.reason}`;
  }
}

/** A full object id, SHA-1 or SHA-256. */
export function isCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

function firstLine(stderr: string): string {
  return (stderr.split('\n')[0] ?? '').slice(0, 300) || 'git failed and said nothing';
}
