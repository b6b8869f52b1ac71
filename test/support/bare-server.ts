import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { freePort } from './nats.ts';

/** A bare OpenAI-compatible server on a fixed port: the engine's process, run by hand. */
export async function startBareServer(t: Pick<Test, 'teardown'>, modelsDir: string, limits: readonly string[]): Promise<{ url: string; kill(): Promise<void>; start(): Promise<void> }> {
  const port = await freePort();
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const file = resolve(import.meta.dirname, '../../gateway/inference/embedded/server.ts');
    child = spawn(process.execPath, [file, '--models', modelsDir, '--port', String(port), ...limits], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = await once(createInterface({ input: child.stdout! }), 'line');
    if (line !== `ready http://127.0.0.1:${port}`) throw new Error(`the server said: ${line}`);
  };
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  t.teardown(kill);
  await start();
  return { url: `http://127.0.0.1:${port}`, kill, start };
}
