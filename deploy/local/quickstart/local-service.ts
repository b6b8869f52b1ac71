import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { dataPaths, type Config } from '../../../core/config.ts';
import { isAlive, readLock } from '../pid-lock.mjs';
import { findReadyLine } from '../readiness.ts';

export interface LocalService {
  url: string;
  pid: number;
  /** It was there before. */
  found: boolean;
  /** Lets it go on after this process. */
  release(): Promise<void>;
  /** Ends it, if this process started it. */
  stop(): Promise<void>;
}

/** Roots that let the service read a repository: the user named it, so it is meant. */
export function rootsWith(config: Config, repository: string): string[] {
  return covers(config.projectRoots, repository) ? [...config.projectRoots] : [...config.projectRoots, repository];
}

function covers(roots: readonly string[], path: string): boolean {
  return roots.some((root) => { const way = relative(root, path); return way === '' || !way.startsWith('..'); });
}

/**
 * The AI Forge of this data directory: the one that runs, else a new one, which ends with this process unless released.
 * @throws Error with a sentence for the user
 */
export async function startService(root: string, config: Config, repository: string, signal: AbortSignal): Promise<LocalService> {
  const owner = readLock(join(config.dataDir, 'lock'));
  if (owner !== undefined && isAlive(owner) && typeof owner['url'] === 'string') {
    const roots = Array.isArray(owner['projectRoots']) ? owner['projectRoots'] as string[] : [];
    if (!covers(roots, repository)) throw new Error(`AI Forge already runs (process ${owner.pid}), but may not read ${repository}. Stop it with npm stop and run this again.`);
    return { url: owner['url'], pid: owner.pid, found: true, release: async () => {}, stop: async () => {} };
  }
  const { logs } = dataPaths(config.dataDir);
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  const log = join(logs, 'supervisor.log');
  const out = openSync(log, 'a', 0o600);
  const begin = statSync(log).size;
  const env: NodeJS.ProcessEnv = { ...process.env, FORGE_PROJECT_ROOTS: rootsWith(config, repository).join(delimiter) };
  const child = spawn(process.execPath, [join(root, 'deploy/local/main.ts'), '--until-released'], { cwd: process.cwd(), env, detached: true, stdio: ['pipe', out, out] });
  closeSync(out);
  const exited = once(child, 'exit');
  const said = (): string => readFileSync(log).subarray(begin).toString('utf8');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
  };
  try {
    for (;;) {
      const up = findReadyLine(said());
      if (up !== undefined && up.away.length > 0) throw new Error(`${up.away.join(', ')} did not come up; the logs in ${logs} tell why`);
      if (up !== undefined) {
        return {
          url: up.url, pid: child.pid!, found: false, stop,
          async release() {
            await new Promise((resolve) => child.stdin!.end('stay\n', () => resolve(undefined)));
            child.unref();
          },
        };
      }
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(said().trim());
      await setTimeout(100, undefined, { signal });
    }
  } catch (error) {
    await stop();
    throw error;
  }
}
