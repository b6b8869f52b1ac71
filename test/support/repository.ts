import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What of a tap test is used here. */
interface Cleanup {
  teardown(end: () => unknown): void;
}

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** An empty folder (real path) that goes away with the test. */
export async function makeFolder(t: Cleanup): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'forge-test-')));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A real git repository with one commit that holds `files` (path to content), removed with the test.
 * Author and time are fixed, so the same files give the same commit everywhere.
 * @param path where to make it; a new temporary folder when absent
 * @returns its absolute real path
 */
export async function makeRepository(t: Cleanup, files: Files, path?: string): Promise<string> {
  const folder = path ?? (await makeFolder(t));
  await mkdir(folder, { recursive: true });
  await git(folder, 'init', '--quiet', '--initial-branch=main');
  if (Object.keys(files).length > 0) await commitFiles(folder, files);
  return folder;
}

/** Writes the files and commits everything in the working directory. @returns the commit's id */
export async function commitFiles(repository: string, files: Files, message = 'Files'): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(repository, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
  await git(repository, 'add', '--all', '--force', '--', '.');
  await git(repository, 'commit', '--quiet', '--allow-empty', '-m', message);
  return git(repository, 'rev-parse', 'HEAD');
}

/** Runs git with fixed identity, time and no configuration of the machine. @returns its output without the last newline */
export async function git(repository: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', ['-C', repository, ...args], {
    maxBuffer: 64 << 20,
    timeout: 60_000,
    env: {
      PATH: process.env['PATH'],
      HOME: repository,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'Test',
      GIT_AUTHOR_EMAIL: 'test@example.org',
      GIT_AUTHOR_DATE: '2024-01-17T12:00:00Z',
      GIT_COMMITTER_NAME: 'Test',
      GIT_COMMITTER_EMAIL: 'test@example.org',
      GIT_COMMITTER_DATE: '2024-01-17T12:00:00Z',
    },
  });
  return stdout.replace(/\n$/, '');
}
