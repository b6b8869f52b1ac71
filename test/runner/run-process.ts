import { spawn } from 'node:child_process';

export interface Ended {
  stdout: string;
  stderr: string;
  /** Undefined when a signal ended it. */
  status: number | undefined;
  timedOut: boolean;
  /** Whether something it started outlived it; that has been ended too. */
  leftBehind: boolean;
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
    return { ...kept, stderr: error.message, status: 127, timedOut: false, leftBehind: false, seconds: 0 };
  }
  const group = child.pid;
  running.add(group);
  let timedOut = false;
  const timer = setTimeout(() => { timedOut = true; killGroup(group); }, options.limitMs);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
  const leftBehind = !timedOut && (await groupOutlives(group, 1_000));
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

async function groupOutlives(group: number, graceMs: number): Promise<boolean> {
  for (const end = Date.now() + graceMs; ; ) {
    try { process.kill(-group, 0); } catch { return false; }
    if (Date.now() > end) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
