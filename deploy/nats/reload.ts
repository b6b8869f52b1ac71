import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ForgeError } from '../../core/errors.ts';
import { findNatsServer } from '../local/nats-server.ts';

const root = resolve(import.meta.dirname, '..', '..');

/**
 * Has the nats-server of this machine that runs on `dir` read its configuration anew, once nats-server itself has said
 * that there is nothing wrong with it. Users that are not in it any more are disconnected.
 * @returns its process id, or undefined where none runs here
 * @throws ForgeError invalid_argument for a configuration that it would refuse; unavailable where it may not be signalled
 */
export function reloadServer(dir: string): number | undefined {
  const config = join(dir, 'nats-server.conf');
  if (!existsSync(config)) return undefined;
  const pid = pidOf(config);
  if (pid === undefined) return undefined;
  checkConfig(config);
  try {
    process.kill(pid, 'SIGHUP');
  } catch (error) {
    throw new ForgeError('unavailable', `nats-server (process ${pid}) can’t be told to read ${dir}/accounts.conf (${(error as NodeJS.ErrnoException).code}): run kill -HUP ${pid} as its user or as root`);
  }
  return pid;
}

/** @throws ForgeError invalid_argument */
export function checkConfig(config: string): void {
  try {
    execFileSync(findNatsServer(root).command, ['-t', '-c', config], { encoding: 'utf8', timeout: 30_000, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    throw new ForgeError('invalid_argument', `nats-server refuses ${config}: ${String((error as { stderr?: string }).stderr ?? (error as Error).message).trim()}`);
  }
}

function pidOf(config: string): number | undefined {
  const file = /^pid_file: "(.*)"$/m.exec(readFileSync(config, 'utf8'))?.[1];
  if (file === undefined || !existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8'));
  return Number.isSafeInteger(pid) && pid > 1 && isNatsServer(pid) ? pid : undefined;
}

/** A file may be left of a server that is no more, and the number be another process's by now. */
function isNatsServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'nats-server';
  } catch {
    return false;
  }
}
