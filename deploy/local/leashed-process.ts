import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Command {
  command: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
}

export interface LeashedProcess {
  /** Process id of the command itself, once the leash has told it. */
  pid(): number | undefined;
  /** Asks it to end. */
  terminate(): void;
  /** Ends it and all that it started in its group, at once. */
  kill(): void;
  /** How it ended, in words. Nothing of its group is left then. */
  ended: Promise<string>;
}

const leash = join(import.meta.dirname, 'leash.sh');

/**
 * Starts a command that cannot outlive this process: see leash.sh.
 * @param onLine every line of its output
 */
export function startLeashed(what: Command, onLine: (line: string) => void): LeashedProcess {
  const child = spawn('/bin/sh', [leash, what.command, ...what.args], { cwd: what.cwd, env: what.env, detached: true, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  const group = child.pid;
  let pid: number | undefined;
  const kill = (): void => {
    if (group === undefined) return;
    try { process.kill(-group, 'SIGKILL'); } catch { /* all gone */ }
  };
  // The pipe has to stay open as long as this process lives; writing to it is never needed.
  child.stdin!.on('error', () => {});
  for (const stream of [child.stdout!, child.stderr!]) createInterface({ input: stream, crlfDelay: Infinity }).on('line', onLine);
  createInterface({ input: child.stdio[3] as NodeJS.ReadableStream }).on('line', (line) => { pid = Number(line); });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      kill();
      resolve(inWords(code, signal));
    });
  });
  return {
    pid: () => pid,
    terminate: () => { child.kill('SIGTERM'); },
    kill,
    ended,
  };
}

/** A shell tells of a signal as 128 plus its number. */
function inWords(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return `was ended by ${signal}`;
  const names: Record<number, string> = { 134: 'SIGABRT', 137: 'SIGKILL', 139: 'SIGSEGV', 143: 'SIGTERM' };
  if (code !== null && names[code] !== undefined) return `was ended by ${names[code]}`;
  return code === 127 ? 'was not found' : `ended with status ${code}`;
}
