import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ForgeError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';

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
  ready(signal: AbortSignal): Promise<string>;
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
  let next = Promise.withResolvers<string>();
  next.promise.catch(() => undefined);

  const settle = (result: string | ForgeError) => {
    if (result instanceof ForgeError) next.reject(result);
    else next.resolve(result);
    if (typeof result === 'string') return;
    next = Promise.withResolvers();
    next.promise.catch(() => undefined);
  };

  const run = () => {
    const since = performance.now();
    // The pipe to its stdin is what it lives by: it closes with this process, however that ends.
    const process_ = spawn(process.execPath, [fileURLToPath(new URL('./server.ts', import.meta.url)), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    child = process_;
    process_.stdin.on('error', () => undefined);
    createInterface({ input: process_.stdout }).on('line', (line) => {
      if (!line.startsWith('ready ')) return;
      url = line.slice('ready '.length);
      settle(url);
    });
    let over = false;
    const ended = (why: string) => {
      if (over) return;
      over = true;
      if (url !== undefined) {
        next = Promise.withResolvers();
        next.promise.catch(() => undefined);
      }
      url = undefined;
      child = undefined;
      settle(new ForgeError('unavailable', 'The embedded inference engine stopped; it is being started again', { retryAfterSeconds: 2 }));
      if (stopped !== undefined) return;
      failures = performance.now() - since > steadyMs ? 1 : failures + 1;
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (failures - 1));
      logger.warn(`the embedded engine ended (${why}); it is started again in ${delayMs} ms`);
      timer = setTimeout(run, delayMs);
    };
    process_.once('exit', (code, signal) => ended(signal ?? `status ${code}`));
    process_.once('error', (error) => ended(error.message));
  };

  const end = async () => {
    clearTimeout(timer);
    settle(new ForgeError('unavailable', 'The embedded inference engine is being stopped'));
    const ending = child;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
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
      if (signal.aborted) throw new ForgeError('cancelled', 'The request was given up');
      const gone = Promise.withResolvers<never>();
      const leave = () => gone.reject(new ForgeError('cancelled', 'The request was given up'));
      signal.addEventListener('abort', leave, { once: true });
      return Promise.race([next.promise, gone.promise]).finally(() => signal.removeEventListener('abort', leave));
    },
    async died(lost) {
      // A connection breaks a moment before the exit of the process is told.
      if (url === lost && child !== undefined) await once(child, 'exit', { signal: AbortSignal.timeout(deathNoticeMs) }).catch(() => undefined);
      return url !== lost;
    },
    stop: () => (stopped ??= end()),
  };
}
