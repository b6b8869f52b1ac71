import { execFileSync } from 'node:child_process';
import { realpathSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';

export interface Repository {
  path: string;
  /** Folder's name, made fit for a project. */
  project: string;
  commit: string;
}

/**
 * The git repository that a path lies in.
 * @throws Error with a sentence for the user
 */
export function findRepository(path: string): Repository {
  const start = resolve(path);
  if (!(statSync(start, { throwIfNoEntry: false })?.isDirectory() ?? false)) throw new Error(`${start} is no folder`);
  const top = git(start, ['rev-parse', '--show-toplevel']);
  if (top === undefined) throw new Error(`${start} is no git repository: run "git init", add and commit files, or name another one: npm run quickstart -- <path>`);
  const commit = git(top, ['rev-parse', '--verify', 'HEAD^{commit}']);
  if (commit === undefined) throw new Error(`${top} has no commit yet: there is nothing to learn from. Commit some files first.`);
  const real = realpathSync(top);
  return { path: real, project: projectName(basename(real)), commit };
}

/** Project names are letters, digits, `.`, `_` and `-`, begin with a letter or digit, and have at most 64. */
export function projectName(folder: string): string {
  const name = folder.normalize('NFKD').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 64).replace(/[^A-Za-z0-9]+$/, '').toLowerCase();
  return name === '' ? 'project' : name;
}

function git(cwd: string, args: string[]): string | undefined {
  try {
    return execFileSync('git', args, { cwd, encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** A question in the form that the model was trained on, about a file as this repository has them. */
export function questionFor(path: string): string {
  const counts = new Map<string, number>();
  for (const file of (git(path, ['ls-files', '-z']) ?? '').split('\0')) {
    const extension = /\.(ts|js|py|go|rs|java|c|cpp|rb|md)$/.exec(file)?.[1];
    if (extension !== undefined) counts.set(extension, (counts.get(extension) ?? 0) + 1);
  }
  const [extension] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? ['md'];
  return `Write the beginning of the file src/settings.${extension}.`;
}
