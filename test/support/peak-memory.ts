import { readFileSync, writeFileSync } from 'node:fs';

/** Bytes that a process holds in memory at its peak, since it started or since `forgetPeak`. Linux only. */
export function peakMemory(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1];
  return Number(kib) * 1024;
}

/** From now on only what comes counts. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
