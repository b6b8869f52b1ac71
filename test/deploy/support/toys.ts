import { join } from 'node:path';
import type { ServiceSpec } from '../../../deploy/local/service.ts';

/** A toy service as a specification; see toy-service.ts for its arguments. */
export function toy(name: string, ...args: string[]): ServiceSpec {
  return {
    name,
    command: process.execPath,
    args: [join(import.meta.dirname, 'toy-service.ts'), ...args],
    env: process.env,
    cwd: process.cwd(),
    isReady: (line) => line.startsWith('ready'),
  };
}

/** Whether a process is there; a zombie that nobody has waited for counts as there. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until none of the processes is there. @throws Error naming the ones that stay */
export async function allGone(pids: readonly number[], limitMs = 5_000): Promise<void> {
  for (const end = performance.now() + limitMs; pids.some(lives); ) {
    if (performance.now() > end) throw new Error(`still there after ${limitMs} ms: ${pids.filter(lives).join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
