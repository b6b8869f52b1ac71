import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** State letter of a process as /proc tells it (`T`: stopped by a signal); undefined when it is gone or a zombie. Linux only. */
export function processState(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const state = stat.slice(stat.lastIndexOf(')') + 2)[0];
    return state === 'Z' || state === 'X' ? undefined : state;
  } catch {
    return undefined;
  }
}

/** The kernel tells nobody about a process that is not a child, so it is looked at every few milliseconds. */
export async function untilState(pid: number, fits: (state: string | undefined) => boolean, ms = 10_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!fits(processState(pid))) {
    if (performance.now() > deadline) throw new Error(`process ${pid} is in state ${processState(pid) ?? 'gone'} after ${ms} ms`);
    await setTimeout(5);
  }
}

export const untilGone = (pid: number, ms?: number): Promise<void> => untilState(pid, (state) => state === undefined, ms);
