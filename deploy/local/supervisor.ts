import { join } from 'node:path';
import { openLogFile } from './log-file.ts';
import { createService, type Service, type ServiceSpec } from './service.ts';

/** What runs, in the order of starting; those of one step start at once. Stopping goes the other way. */
export interface Step {
  specs: readonly ServiceSpec[];
  /** How long they may take to end before they are killed. */
  graceMs: number;
}

export interface Supervisor {
  /** Resolves with the ready line of each service when all are up. @throws StartError */
  start(): Promise<Record<string, string>>;
  /** Ends all, the last started first; one memoized promise. */
  stop(): Promise<void>;
  /** Ends all at once. */
  kill(): void;
  /** Process ids of what runs now. */
  pids(): Record<string, number>;
}

export interface SupervisorDeps {
  logDir: string;
  say(line: string): void;
  /** Called whenever a service has (again) become ready. */
  onReady?(name: string, line: string): void;
  /** Changes a service's command for later starts: what was free to choose at first must stay as it is. */
  adapt?(spec: ServiceSpec): ServiceSpec;
  /** How long a service may take to say that it is ready; a minute where it is not given. */
  startLimitMs?: number;
}

/** Runs the services of one machine: in order, again when they die, and never beyond its own life. */
export function createSupervisor(steps: readonly Step[], deps: SupervisorDeps): Supervisor {
  const running: { service: Service; graceMs: number }[][] = steps.map((step) => step.specs.map((spec) => ({
    graceMs: step.graceMs,
    service: createService(spec, {
      log: openLogFile(join(deps.logDir, `${spec.name}.log`)),
      say: deps.say,
      onStarted: (line) => deps.onReady?.(spec.name, line),
      ...(deps.adapt === undefined ? {} : { adapt: deps.adapt }),
      ...(deps.startLimitMs === undefined ? {} : { startLimitMs: deps.startLimitMs }),
    }),
  })));
  const all = running.flat().map((entry) => entry.service);
  let stopped: Promise<void> | undefined;

  return {
    async start() {
      const lines: Record<string, string> = {};
      for (const step of running) {
        if (stopped !== undefined) break;
        await Promise.all(step.map(async ({ service }) => { lines[service.name] = await service.start(); }));
      }
      return lines;
    },
    stop() {
      stopped ??= (async () => {
        for (const step of running.toReversed()) await Promise.all(step.map(({ service, graceMs }) => service.stop(graceMs)));
      })();
      return stopped;
    },
    kill: () => { for (const service of all) service.kill(); },
    pids() {
      const pids: Record<string, number> = {};
      for (const service of all) {
        const pid = service.pid();
        if (pid !== undefined) pids[service.name] = pid;
      }
      return pids;
    },
  };
}
