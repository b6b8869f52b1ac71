import type { LogFile } from './log-file.ts';
import { startLeashed, type Command, type LeashedProcess } from './leashed-process.ts';

export interface ServiceSpec extends Command {
  name: string;
  /** The line that says it can work; it may carry an address. */
  isReady(line: string): boolean;
}

export interface Service {
  name: string;
  pid(): number | undefined;
  /** Resolves with the ready line of the first start. Rejects with StartError when it ends too often before that. */
  start(): Promise<string>;
  /** Asks it to end, and ends it after the grace. Never starts it again. */
  stop(graceMs: number): Promise<void>;
  /** Ends it at once. Never starts it again. */
  kill(): void;
}

export interface ServiceDeps {
  log: LogFile;
  /** Lines for the terminal. */
  say(line: string): void;
  /** After each start, also a later one. */
  onStarted?(line: string): void;
  /** Changes the command for later starts, for what was found out in the first. */
  adapt?(spec: ServiceSpec): ServiceSpec;
  /** How long a process may neither say that it is ready nor end; then it is killed, and the attempt has failed. */
  startLimitMs?: number;
}

/** A process that did not come up; the message ends with the last lines it wrote. */
export class StartError extends Error {}

const firstDelayMs = 500;
const longestDelayMs = 30_000;
/** After this long in good health a crash is a new story, and the back-off starts anew. */
const healthyMs = 60_000;
const startAttempts = 3;
const defaultStartLimitMs = 60_000;
const keptLines = 25;
const warning = /^\S+ (warn|error) |\[(WRN|ERR|FTL)\]/;

/** One process, started again when it dies, with a back-off that doubles. */
export function createService(spec: ServiceSpec, deps: ServiceDeps): Service {
  let process: LeashedProcess | undefined;
  let stopping = false;
  let everReady = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  const startLimitMs = deps.startLimitMs ?? defaultStartLimitMs;
  let settle: { resolve(line: string): void; reject(error: Error): void } | undefined;

  const run = (): void => {
    const begin = Date.now();
    const last: string[] = [];
    let ready = false;
    const command = everReady && deps.adapt !== undefined ? deps.adapt(spec) : spec;
    deps.log.write(`--- ${new Date().toISOString()} start`);
    const started = startLeashed(command, (line) => {
      deps.log.write(line);
      last.push(line);
      if (last.length > keptLines) last.shift();
      if (warning.test(line)) deps.say(`${spec.name}: ${line}`);
      if (ready || !spec.isReady(line)) return;
      ready = true;
      clearTimeout(deadline);
      if (everReady) deps.say(`${spec.name} is back (process ${started.pid()})`);
      everReady = true;
      deps.onStarted?.(line);
      settle?.resolve(line);
    });
    process = started;
    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      started.kill();
    }, startLimitMs);
    void started.ended.then((end) => {
      clearTimeout(deadline);
      process = undefined;
      const how = late ? `was not ready within ${startLimitMs / 1000} s and was killed` : end;
      deps.log.write(`--- ${new Date().toISOString()} ${how}`);
      if (stopping) return;
      failures = ready && Date.now() - begin >= healthyMs ? 1 : failures + 1;
      if (!everReady && failures >= startAttempts) {
        settle?.reject(new StartError(`${spec.name} ${how}. Its last lines (all: ${deps.log.path}):\n${last.map((line) => `    ${line}`).join('\n')}`));
        return;
      }
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (failures - 1));
      deps.say(`${spec.name} ${how}; starting it again in ${delayMs / 1000} s (log: ${deps.log.path})`);
      timer = setTimeout(run, delayMs);
    });
  };

  return {
    name: spec.name,
    pid: () => process?.pid(),
    start: () => new Promise((resolve, reject) => {
      settle = { resolve, reject };
      run();
    }),
    async stop(graceMs) {
      stopping = true;
      clearTimeout(timer);
      const current = process;
      if (current === undefined) return;
      current.terminate();
      const force = setTimeout(() => {
        deps.say(`${spec.name} did not end within ${graceMs / 1000} s and is killed`);
        current.kill();
      }, graceMs);
      await current.ended;
      clearTimeout(force);
    },
    kill() {
      stopping = true;
      clearTimeout(timer);
      process?.kill();
    },
  };
}
