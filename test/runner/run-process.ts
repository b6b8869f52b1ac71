import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface Ended {
  stdout: string;
  stderr: string;
  /** Undefined when a signal ended it. */
  status: number | undefined;
  timedOut: boolean;
  /** What it started that outlived it, by command; that has been ended too. */
  leftBehind: string[];
  seconds: number;
}

const maxKeptBytes = 4_000_000;
const running = new Set<number>();

/** Runs a command in a process group of its own, which ends with it or at the time limit. */
export async function runProcess(command: string, args: string[], options: { cwd: string; env: NodeJS.ProcessEnv; limitMs: number }): Promise<Ended> {
  const begin = Date.now();
  const child = spawn(command, args, { cwd: options.cwd, env: options.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const kept = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => { kept[name] = (kept[name] + text).slice(-maxKeptBytes); });
  }
  if (child.pid === undefined) {
    const error = await new Promise<Error>((resolve) => child.once('error', resolve));
    return { ...kept, stderr: error.message, status: 127, timedOut: false, leftBehind: [], seconds: 0 };
  }
  const group = child.pid;
  running.add(group);
  let timedOut = false;
  const timer = setTimeout(() => { timedOut = true; killGroup(group); }, options.limitMs);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
  const leftBehind = timedOut ? [] : await survivors(group, 3_000);
  killGroup(group);
  running.delete(group);
  // A process that moved to another group may hold the pipes open for ever.
  await new Promise<void>((resolve) => { child.once('close', () => resolve()); setTimeout(resolve, 2_000).unref(); if (child.stdout.closed && child.stderr.closed) resolve(); });
  return { ...kept, status: code ?? undefined, timedOut, leftBehind, seconds: (Date.now() - begin) / 1000 };
}

/** Ends all that still runs, for an interrupt. */
export function killRunning(): void {
  for (const group of running) killGroup(group);
}

function killGroup(group: number): void {
  try { process.kill(-group, 'SIGKILL'); } catch { /* it is gone */ }
}

/** @returns the commands of the group's processes that are still there after the grace */
async function survivors(group: number, graceMs: number): Promise<string[]> {
  for (const end = Date.now() + graceMs; ; ) {
    const there = members(group);
    if (there.length === 0 || Date.now() > end) return there;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A zombie that its new parent has not yet waited for is no process that runs. */
function members(group: number): string[] {
  try { process.kill(-group, 0); } catch { return []; }
  if (process.platform !== 'linux') return [`process group ${group}`];
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(pgrp) !== group || state === 'Z' || state === 'X') return [];
      return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()}`];
    } catch {
      return [];
    }
  });
}
