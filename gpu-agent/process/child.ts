import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { eachLine } from './lines.ts';

export interface ChildExit {
  code: number | null;
  signal: string | null;
  /** Where it could not be started, or its guard died. */
  error?: string;
}

/** A trainer under its guard. */
export interface Child {
  /** Its process id, once it runs. */
  readonly pid: Promise<number | undefined>;
  /** Writes one JSON line to its stdin. */
  send(message: object): void;
  /** SIGSTOP to its whole process group. */
  stop(): void;
  continue(): void;
  /** SIGKILL to its whole process group. */
  kill(): void;
  /** Resolves when it is gone and all it wrote was read. Never rejects. */
  readonly exited: Promise<ChildExit>;
}

export interface ChildOptions {
  command: string;
  args: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Without a sign from this process for so long, the guard kills the child. */
  silenceMs: number;
  /** One line of its events pipe (descriptor 3). */
  onEvent(line: string): void;
  /** One line of its stdout or stderr, or of its guard. */
  onLog(line: string): void;
}

const maxEventLength = 16 << 20;
const maxLogLength = 8_192;
/** A process that left the group may hold a pipe open; it is not waited for. */
const pipeGraceMs = 2_000;

/** Starts a command in a session of its own, watched by a guard process that outlives this one just long enough to kill it. */
export function startChild(options: ChildOptions): Child {
  const guard = spawn(process.execPath, [join(import.meta.dirname, 'guard.ts'), String(options.silenceMs), options.command, ...options.args], {
    cwd: options.cwd,
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const orders = guard.stdin!;
  const [, news, log, events, stdin] = guard.stdio as [Writable, Readable, Readable, Readable, Writable];
  // Writing to a child that is gone is no error here: its exit is what counts.
  for (const stream of [orders, stdin]) stream.on('error', () => {});

  const pid = Promise.withResolvers<number | undefined>();
  let running: number | undefined;
  let exit: ChildExit | undefined;
  const told = eachLine(news, maxLogLength, (line) => {
    const message = parseNews(line);
    if (message?.pid !== undefined) pid.resolve((running = message.pid));
    else if (message !== undefined) exit = { code: message.code ?? null, signal: message.signal ?? null, ...(message.error === undefined ? {} : { error: message.error }) };
  });
  const written = [eachLine(log, maxLogLength, options.onLog), eachLine(events, maxEventLength, options.onEvent)];

  const order = (word: string): void => {
    if (orders.writable) orders.write(`${word}\n`);
  };
  const ticking = setInterval(() => order('tick'), Math.max(10, options.silenceMs / 4));

  async function untilGone(): Promise<ChildExit> {
    const failure = await new Promise<string>((resolve) => {
      guard.once('error', (error) => resolve(`its guard could not be started: ${error.message}`));
      guard.once('exit', (code, signal) => resolve(`its guard was ended (${signal ?? code})`));
    });
    clearInterval(ticking);
    // The guard alone holds this pipe, so it ends with it; the others end with the last process of the group.
    await told;
    if (exit === undefined && running !== undefined) killGroup(running);
    const grace = setTimeout(() => {
      for (const stream of [log, events]) stream.destroy();
    }, pipeGraceMs);
    await Promise.all(written);
    clearTimeout(grace);
    stdin.destroy();
    pid.resolve(undefined);
    return exit ?? { code: null, signal: null, error: failure };
  }

  return {
    pid: pid.promise,
    send(message) {
      if (stdin.writable) stdin.write(`${JSON.stringify(message)}\n`);
    },
    stop: () => order('stop'),
    continue: () => order('continue'),
    kill: () => order('kill'),
    exited: untilGone(),
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is gone.
  }
}

function parseNews(line: string): { pid?: number; error?: string; code?: number | null; signal?: string | null } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    // Torn by the guard's end, which is told in its own way.
    return undefined;
  }
}
