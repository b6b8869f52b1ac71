import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ForgeError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { CancelSignal } from '../cancel.ts';

const serverFile = fileURLToPath(new URL('./server.ts', import.meta.url));
const readyMark = 'ready ';
const firstDelayMs = 200;
const longestDelayMs = 10_000;
/** Having run this long, a process has started well, and its death is the first of a new series. */
const steadyMs = 30_000;
const killAfterMs = 2_000;
const deathNoticeMs = 1_000;

/** Keeps the engine's process running; starts it again, with back-off, when it dies. */
export interface EngineProcess {
  start(): void;
  /** Where it listens, if it does now. */
  readonly url: string | undefined;
  readonly pid: number | undefined;
  /** Waits for a start that is under way. @throws ForgeError unavailable, cancelled */
  ready(signal: CancelSignal): Promise<string>;
  /** Whether the process that listened at `url` is gone, or goes within a second. */
  died(url: string): Promise<boolean>;
  stop(): Promise<void>;
}

/** @param args of embedded/server.ts */
export function createEngineProcess(args: readonly string[], logger: Logger): EngineProcess {
  let child: ChildProcess | undefined;
  let url: string | undefined;
  let started = false;
  let stopped: Promise<void> | undefined;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  /** Who waits for the start that is under way, or for the next one. */
  let waiting = Promise.withResolvers<string>();

  const over = (message: string) => {
    url = undefined;
    waiting.promise.catch(() => undefined); // there may be nobody who waits
    waiting.reject(new ForgeError('unavailable', message, { retryAfterSeconds: 2 }));
    waiting = Promise.withResolvers();
  };

  const run = () => {
    const since = performance.now();
    // The pipe to its stdin is what it lives by: it closes with this process, however that ends.
    const engine = spawn(process.execPath, [serverFile, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    child = engine;
    engine.stdin.on('error', () => undefined);
    createInterface({ input: engine.stdout }).on('line', (line) => {
      if (!line.startsWith(readyMark) || engine !== child) return;
      url = line.slice(readyMark.length);
      waiting.resolve(url);
    });
    const ended = (why: string) => {
      if (engine !== child) return;
      child = undefined;
      over('The embedded inference engine stopped; it is being started again');
      if (stopped !== undefined) return;
      failures = performance.now() - since > steadyMs ? 1 : failures + 1;
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (failures - 1));
      logger.warn(`the embedded engine ended (${why}); it is started again in ${delayMs} ms`);
      timer = setTimeout(run, delayMs);
    };
    engine.once('exit', (code, signal) => ended(signal ?? `status ${code}`));
    engine.once('error', (error) => ended(error.message));
  };

  const end = async () => {
    clearTimeout(timer);
    const ending = child;
    over('The embedded inference engine is not running');
    if (ending?.pid === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const exit = once(ending, 'exit');
    ending.kill('SIGTERM');
    const force = setTimeout(() => ending.kill('SIGKILL'), killAfterMs);
    await exit;
    clearTimeout(force);
  };

  return {
    start() {
      if (started || stopped !== undefined) return;
      started = true;
      run();
    },
    get url() {
      return url;
    },
    get pid() {
      return child?.pid;
    },
    async ready(signal) {
      if (url !== undefined) return url;
      if (!started || stopped !== undefined) throw new ForgeError('unavailable', 'The embedded inference engine is not running');
      const left = Promise.withResolvers<never>();
      const leave = () => left.reject(new ForgeError('cancelled', 'The request was given up'));
      if (signal.aborted) leave();
      signal.addEventListener('abort', leave, { once: true });
      return Promise.race([waiting.promise, left.promise]).finally(() => signal.removeEventListener('abort', leave));
    },
    async died(lost) {
      // A connection breaks a moment before the exit of the process is told.
      if (url === lost && child !== undefined) await once(child, 'exit', { signal: AbortSignal.timeout(deathNoticeMs) }).catch(() => undefined);
      return url !== lost;
    },
    stop: () => (stopped ??= end()),
  };
}
