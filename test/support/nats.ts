import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { freePort } from '../../deploy/local/ports.ts';
import { findProgram } from './executable.ts';

export { freePort };

export interface TestNats {
  url: string;
  port: number;
  dir: string;
  pid(): number;
  /** kill -9, then the same server on the same port and files. */
  restart(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/**
 * A free port that no outgoing connection is given: of the range for those, a client that connects anew while the server
 * is down may get the very port, and the server could not come back.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)));
    if (!free) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}

/** Nobody is asked who they are. */
export const openConfig = (port: number, dir: string): string => `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(join(dir, 'data'))}, sync_interval: always, max_file_store: 4GB }\n`;

/**
 * A real nats-server with JetStream on a free loopback port, its own directory, gone with the test.
 * @param configOf its configuration, in `<dir>/nats.conf`
 */
export async function startNats(t: Pick<Test, 'teardown'>, configOf: (port: number, dir: string) => string | Promise<string> = openConfig): Promise<TestNats> {
  const dir = await mkdtemp(join(tmpdir(), 'forge-nats-'));
  const port = await lastingPort();
  const config = join(dir, 'nats.conf');
  await writeFile(config, await configOf(port, dir));
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    child = spawn(natsBinary(), ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    await new Promise<void>((resolve, reject) => {
      child!.stderr!.setEncoding('utf8').on('data', (text: string) => {
        log = (log + text).slice(-20_000);
        if (log.includes('Server is ready')) resolve();
      });
      child!.once('error', reject);
      child!.once('exit', (code) => reject(new Error(`nats-server ended with ${code}:\n${log}`)));
    });
  };
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  // Two strikes may come at once: one after the other.
  let restarting = Promise.resolve();
  await start();
  t.teardown(async () => {
    await kill();
    await rm(dir, { recursive: true, force: true });
  });
  return { url: `nats://127.0.0.1:${port}`, port, dir, pid: () => child!.pid!, kill, start, restart: () => (restarting = restarting.then(async () => { await kill(); await start(); })) };
}

/** nats-server of the project's Python environment, else the one on PATH. */
export function natsBinary(): string {
  const found = findProgram('nats-server', [join(import.meta.dirname, '../../.venv/bin')]);
  if (found === undefined) throw new Error('nats-server is neither in .venv/bin nor on PATH: run `npm test`, which sets it up');
  return found;
}

/** All files below a folder, for asserting that nothing was left. */
export async function filesBelow(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).sort();
}

