import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** One server as a process of its own, on one core. */
export interface PinnedProcess {
  /** Where it listens, as it said; empty for a service that does not listen. */
  readonly url: string;
  readonly port: number;
  /** Milliseconds of processor that it has used so far, in all its threads. */
  cpuMs(): number;
  /** The largest resident memory it has had, in MiB. */
  peakMiB(): number;
  /** Its resident memory now, in MiB. */
  residentMiB(): number;
  stop(): Promise<void>;
}

/** Clock ticks of /proc/<pid>/stat a second; 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** Starts a program and waits for its line `ready [url]`. Linux only: needs `taskset` and /proc. */
export async function startPinned(core: number, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<PinnedProcess> {
  const child = spawn('taskset', ['--cpu-list', String(core), process.execPath, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4_000)));
  const ready = Promise.withResolvers<string>();
  createInterface({ input: child.stdout }).on('line', (line) => /^ready\b/.test(line) && ready.resolve(line));
  child.once('exit', (code) => ready.reject(new Error(`${args[0]} ended with ${code}:\n${log}`)));
  child.once('error', ready.reject);
  const url = (await ready.promise).slice('ready'.length).trim();
  const read = (file: string): string => readFileSync(`/proc/${child.pid}/${file}`, 'utf8');
  const memory = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(read('status'))![1]) / 1_024;
  return {
    url,
    port: url === '' ? 0 : Number(new URL(url).port),
    cpuMs() {
      // Fields 14 and 15 (user and system time); the second field may hold spaces, so count from its closing parenthesis.
      const fields = read('stat').replace(/^.*\) /s, '').split(' ');
      return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond;
    },
    peakMiB: () => memory('VmHWM'),
    residentMiB: () => memory('VmRSS'),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}
