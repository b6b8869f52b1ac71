import { globSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export interface Wanted {
  full: boolean;
  jobs: number;
  /** TypeScript test files, relative to the root, sorted. */
  tapFiles: string[];
  /** Python test files, relative to the root; with `everything`, all of them by an empty list. */
  pythonFiles: string[];
  /** Nothing named: all tests, and the type check. */
  everything: boolean;
}

/**
 * Arguments of the runner: `--full`, `--jobs=N`, files and folders.
 * @throws Error with a sentence for the user
 */
export function parseArguments(args: readonly string[], root: string, cwd: string): Wanted {
  const wanted: Wanted = { full: false, jobs: 2, tapFiles: [], pythonFiles: [], everything: true };
  const named: string[] = [];
  for (const arg of args) {
    const jobs = /^--jobs=([1-9]\d?)$/.exec(arg);
    if (arg === '--full') wanted.full = true;
    else if (jobs !== null) wanted.jobs = Number(jobs[1]);
    else if (arg.startsWith('-')) throw new Error(`${arg}: no such option (known: --full, --jobs=N, test files and folders)`);
    else named.push(relative(root, resolve(cwd, arg)));
  }
  if (named.length === 0) {
    wanted.tapFiles = globSync('test/**/*.test.ts', { cwd: root }).filter((file) => wanted.full || !file.startsWith(join('test', 'full'))).sort();
    return wanted;
  }
  wanted.everything = false;
  for (const name of named) {
    const kind = statSync(join(root, name), { throwIfNoEntry: false });
    if (kind === undefined) throw new Error(`${name}: no such file`);
    if (kind.isDirectory()) {
      wanted.tapFiles.push(...globSync(join(name, '**/*.test.ts'), { cwd: root }));
      wanted.pythonFiles.push(...globSync(join(name, '**/test_*.py'), { cwd: root, exclude: ['**/.venv/**'] }));
    } else if (name.endsWith('.test.ts')) wanted.tapFiles.push(name);
    else if (name.endsWith('.py')) wanted.pythonFiles.push(name);
    else throw new Error(`${name}: neither a *.test.ts nor a *.py file`);
  }
  wanted.tapFiles = [...new Set(wanted.tapFiles)].sort();
  return wanted;
}
