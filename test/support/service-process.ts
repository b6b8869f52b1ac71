import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';

/** One service as a real process that is started again whenever it dies, as a supervisor would. */
export interface ServiceProcess {
  readonly name: string;
  /** How many were started so far. */
  readonly lives: number;
  /** How many of them ended by SIGKILL. */
  readonly kills: number;
  /** Faults that no life has been given yet. */
  readonly waitingFaults: number;
  /** What it wrote last, for a failure's report. */
  readonly log: string;
  /** Resolves with the next line it writes that fits. */
  logged(pattern: RegExp): Promise<string>;
  /** Resolves with the ready line of the life that runs now, or of the next one. Rejects when it can't be started. */
  ready(): Promise<string>;
  /** Resolves when so many lives have ended by SIGKILL. */
  killed(times: number): Promise<void>;
  /** To the life that runs now: SIGSTOP makes it hang, SIGCONT go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** SIGKILL. @returns when the process is gone; the next one is on its way then */
  kill(): Promise<void>;
  /** Ends the life that runs and gives each of the next lives one fault (`FORGE_FAULT`). @returns when the first of them is ready */
  arm(faults: readonly string[]): Promise<void>;
  /** Ends it for good. */
  stop(): Promise<void>;
}

const keptLines = 200;
/** Ends in a row without having been ready, and not by SIGKILL, after which it is given up. */
const maxFailures = 5;

/** @param launch command that Node is put behind, and that becomes it: the process id stays */
export function createServiceProcess(name: string, args: readonly string[], env: NodeJS.ProcessEnv, launch: readonly string[] = []): ServiceProcess {
  const [command, ...rest] = [...launch, process.execPath, ...args] as [string, ...string[]];
  const changes = new EventEmitter().setMaxListeners(0);
  const faults: string[] = [];
  const lines: string[] = [];
  let child: ChildProcess | undefined;
  let readyLine: string | undefined;
  let lives = 0;
  let kills = 0;
  let failures = 0;
  let stopping = false;

  const note = (line: string): void => {
    lines.push(line);
    if (lines.length > keptLines) lines.shift();
    changes.emit('line', line);
  };

  function start(): void {
    const fault = faults.shift();
    lives += 1;
    note(`--- life ${lives}${fault === undefined ? '' : ` with ${fault}`}`);
    const started = spawn(command, rest, { env: { ...env, ...(fault === undefined ? {} : { FORGE_FAULT: fault }) }, stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    createInterface({ input: started.stderr }).on('line', note);
    createInterface({ input: started.stdout }).on('line', (line) => {
      if (line !== 'ready' && !line.startsWith('ready ')) return note(line);
      // A line may still be read after its writer is dead.
      if (child !== started) return;
      failures = 0;
      readyLine = line;
      changes.emit('ready');
    });
    started.once('exit', (code, signal) => {
      child = undefined;
      note(`--- life ${lives} ended: ${signal ?? code}`);
      if (signal === 'SIGKILL') kills += 1;
      else if (readyLine === undefined) failures += 1;
      readyLine = undefined;
      changes.emit('exit');
      if (stopping) return;
      if (failures < maxFailures) return start();
      changes.emit('given up');
    });
  }
  start();

  async function kill(): Promise<void> {
    const gone = child === undefined ? undefined : once(changes, 'exit');
    child?.kill('SIGKILL');
    await gone;
  }

  const service: ServiceProcess = {
    name,
    get lives() {
      return lives;
    },
    get kills() {
      return kills;
    },
    get waitingFaults() {
      return faults.length;
    },
    get log() {
      return lines.join('\n');
    },
    logged: (pattern) =>
      new Promise((resolve) => {
        const look = (line: string): void => {
          if (!pattern.test(line)) return;
          changes.off('line', look);
          resolve(line);
        };
        changes.on('line', look);
      }),
    async ready() {
      while (readyLine === undefined) {
        if (failures >= maxFailures) throw new Error(`${name} does not start:\n${service.log}`);
        await Promise.race([once(changes, 'ready'), once(changes, 'given up')]);
      }
      return readyLine;
    },
    async killed(times) {
      while (kills < times) await once(changes, 'exit');
    },
    signal: (signal) => void child?.kill(signal),
    kill,
    async arm(wanted) {
      faults.splice(0, faults.length, ...wanted);
      await kill();
      await service.ready();
    },
    async stop() {
      stopping = true;
      await kill();
    },
  };
  return service;
}
