import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Test } from 'tap';
import { readLock } from '../../../deploy/local/pid-lock.mjs';

const root = resolve(import.meta.dirname, '../../..');
const defaultLimitMs = 120_000;

export interface LocalForge {
  process: ChildProcess;
  dataDir: string;
  /** All that it wrote. */
  output(): string;
  /** Waits for a line of its output. @throws Error with the end of it and of its logs, when it ends before or the limit is over */
  until(pattern: RegExp, limitMs?: number): Promise<RegExpExecArray>;
  /** Process ids of its services, by name. */
  pids(): Record<string, number>;
  /** Its exit status or signal. */
  ended: Promise<number | string>;
}

const tail = (text: string, lines = 30): string => text.trimEnd().split('\n').slice(-lines).join('\n');

/** The end of each log of a data directory. */
function logsOf(dataDir: string): string {
  return globSync('logs/*.log', { cwd: dataDir }).map((log) => `--- ${log}\n${tail(readFileSync(join(dataDir, log), 'utf8'), 15)}`).join('\n');
}

/** `npm start` without npm: the supervisor on a data directory, any free port unless the environment says otherwise. */
export function startForge(t: Pick<Test, 'teardown'>, dataDir: string, env: NodeJS.ProcessEnv = {}): LocalForge {
  const base = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('FORGE_') && !key.startsWith('npm_')));
  const child = spawn(process.execPath, [join(root, 'deploy/local/main.ts')], {
    cwd: root, env: { ...base, FORGE_DATA_DIR: dataDir, FORGE_PORT: '0', FORGE_INFERENCE: 'embedded', ...env }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let wake = (): void => {};
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; wake(); });
  let over = false;
  const ended = once(child, 'close').then(([code, signal]) => { over = true; wake(); return (code ?? signal) as number | string; });
  t.teardown(async () => { child.kill('SIGKILL'); await ended; });
  return {
    process: child,
    dataDir,
    output: () => text,
    async until(pattern, limitMs = defaultLimitMs) {
      let late = false;
      const timer = setTimeout(() => { late = true; wake(); }, limitMs);
      try {
        for (;;) {
          const match = pattern.exec(text);
          if (match !== null) return match;
          if (over || late) throw new Error(`${late ? `${limitMs} ms went by` : 'it ended'} before ${String(pattern)}:\n${tail(text)}\n${logsOf(dataDir)}`);
          await new Promise<void>((done) => { wake = done; });
        }
      } finally {
        clearTimeout(timer);
      }
    },
    pids: () => (readLock(join(dataDir, 'lock'))?.['services'] ?? {}) as Record<string, number>,
    ended,
  };
}
