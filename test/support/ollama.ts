import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { freePort } from './nats.ts';
import { isExecutable } from './executable.ts';

const startLimitMs = 60_000;
const leash = resolve(import.meta.dirname, '../../deploy/local/leash.sh');

export interface TestOllama {
  url: string;
  /** kill -9 of the processes that it runs models in. */
  killRunners(): void;
  /** kill -9 of the server; its runners end with it. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Resolves when a chat that is under way now, or comes, is over for the server, however it ended. */
  chatOver(): Promise<void>;
}

/**
 * @returns the `ollama` on PATH; undefined when there is none
 * @throws when FORGE_REQUIRE_OLLAMA=1 and there is none
 */
export function findOllama(): string | undefined {
  const found = (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'ollama')).find(isExecutable);
  if (found === undefined && process.env['FORGE_REQUIRE_OLLAMA'] === '1') throw new Error('FORGE_REQUIRE_OLLAMA=1, and there is no `ollama` on PATH');
  return found;
}

/** Options of a test that needs Ollama: skipped, saying so, where there is none. */
export const needsOllama = (): { skip?: string } => (findOllama() === undefined ? { skip: 'there is no `ollama` on PATH' } : {});

/**
 * A real Ollama on a free port with a home and models of its own, gone with the test. Now and then (2 of 157 tries) it
 * loses a place for good when the client of a stream goes away (https://github.com/ollama/ollama/issues/17131): a test that
 * needs few places and leaves streams starts a fresh one.
 * @param parallel requests that a model answers at once
 */
export async function startOllama(t: Pick<Test, 'teardown'>, { parallel = 4 } = {}): Promise<TestOllama> {
  const binary = findOllama();
  if (binary === undefined) throw new Error('there is no `ollama` on PATH');
  const home = await mkdtemp(join(tmpdir(), 'forge-ollama-'));
  const host = `127.0.0.1:${await freePort()}`;
  const chats = new EventEmitter();
  let child: ChildProcess | undefined;
  let pid = 0;

  const start = async (): Promise<void> => {
    const env = { PATH: process.env['PATH'], HOME: home, OLLAMA_MODELS: join(home, 'models'), OLLAMA_HOST: host, OLLAMA_NUM_PARALLEL: String(parallel), OLLAMA_KEEP_ALIVE: '5m', OLLAMA_NOPRUNE: '1' };
    // A group of its own: the runners that it starts must end with it, also after a kill -9. And the leash ends them all
    // when this process is gone, however it went.
    child = spawn('/bin/sh', [leash, binary, 'serve'], { env, stdio: ['pipe', 'pipe', 'pipe', 'pipe'], detached: true });
    child.stdin!.on('error', () => {});
    createInterface({ input: child.stdio[3] as NodeJS.ReadableStream }).on('line', (line) => { pid = Number(line); });
    createInterface({ input: child.stdout! }).on('line', (line) => /\[GIN\].*POST.*\/chat\/completions/.test(line) && chats.emit('over'));
    let log = '';
    await new Promise<void>((done, reject) => {
      const timer = setTimeout(() => reject(new Error(`ollama did not start in ${startLimitMs} ms:\n${log}`)), startLimitMs);
      child!.stderr!.setEncoding('utf8').on('data', (text: string) => {
        log = (log + text).slice(-20_000);
        if (!log.includes('Listening on')) return;
        clearTimeout(timer);
        done();
      });
      child!.once('error', reject);
      child!.once('exit', (code) => reject(new Error(`ollama ended with ${code}:\n${log}`)));
    });
  };
  const kill = async (): Promise<void> => {
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // Its output ends when the last of the group is gone, the server that holds the port among them.
    const gone = once(child, 'close');
    process.kill(-child.pid, 'SIGKILL');
    await gone;
  };

  t.teardown(async () => {
    await kill();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  });
  await start();
  const killRunners = (): void => {
    const pids = execFileSync('pgrep', ['-P', String(pid)]).toString().trim().split('\n').map(Number);
    for (const runner of pids) process.kill(runner, 'SIGKILL');
  };
  return { url: `http://${host}`, kill, killRunners, start, chatOver: async () => void (await once(chats, 'over', { signal: AbortSignal.timeout(startLimitMs) })) };
}
