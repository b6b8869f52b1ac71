import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { dirname } from 'node:path';
import { ForgeError } from '../../core/errors.ts';

/**
 * A repository is data that others wrote, its configuration too: nothing in it may make git run a program or
 * reach a network. Only plumbing that needs neither index nor filters is called; these settings, which stand above
 * the repository's own, close what is left.
 */
const overrides = ['core.fsmonitor=false', 'core.attributesFile=/dev/null', 'core.hooksPath=/dev/null', 'core.pager=cat', 'core.sshCommand=false', 'protocol.allow=never', 'submodule.recurse=false'];

/** Where git looks instead of where it would, for work beside a repository that must not be written to. */
export interface GitPlaces {
  GIT_DIR?: string;
  GIT_INDEX_FILE?: string;
  GIT_OBJECT_DIRECTORY?: string;
}

/** Starts `git -C <repository> <args>`. The caller ends it. Arguments are never seen by a shell. */
export function spawnGit(repository: string, args: readonly string[], places: GitPlaces = {}): ChildProcessWithoutNullStreams {
  const settings = overrides.flatMap((setting) => ['-c', setting]);
  return spawn('git', ['--no-pager', '--literal-pathspecs', ...settings, '-C', repository, ...args], { env: { ...environment(repository), ...places }, stdio: ['pipe', 'pipe', 'pipe'] });
}

export interface GitResult {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs git to its end, for commands with short output.
 * @throws ForgeError unavailable (git is missing, too slow, or says more than 64 KiB)
 */
export async function runGit(repository: string, args: readonly string[], timeoutMs: number): Promise<GitResult> {
  const child = spawnGit(repository, args);
  child.stdin.on('error', () => undefined).end();
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  try {
    const [code, stdout, stderr] = await Promise.all([exitCode(child), short(child.stdout), short(child.stderr)]);
    if (code === null) throw new ForgeError('unavailable', `git did not answer in ${timeoutMs} ms in ${repository}; try again`);
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}

/** @returns the exit status, null when a signal ended it. @throws ForgeError unavailable when git can't be started */
export function exitCode(child: ChildProcessWithoutNullStreams): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new ForgeError('unavailable', 'git can not be started: install git, and see that it is on PATH', { cause })));
    child.once('close', (code) => resolve(code));
  });
}

async function short(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of stream) {
    size += part.length;
    if (size > 65_536) throw new ForgeError('unavailable', 'git gave more output than it should');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Nothing of this process's GIT_* settings goes on; HOME stays, since the user's own `safe.directory` is there. */
function environment(repository: string): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = {};
  for (const name of ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'TMPDIR', 'USERPROFILE', 'SystemRoot']) {
    if (process.env[name] !== undefined) kept[name] = process.env[name];
  }
  return {
    ...kept,
    LC_ALL: 'C',
    // Only the folder itself is looked at, never what lies above it.
    GIT_CEILING_DIRECTORIES: dirname(repository),
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_NO_LAZY_FETCH: '1',
    // A tree is what its id says, not what refs/replace makes of it.
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_ATTR_NOSYSTEM: '1',
  };
}
