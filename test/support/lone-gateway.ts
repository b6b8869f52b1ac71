import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { freePort, startNats } from './nats.ts';
import { makeFolder } from './repository.ts';

/** A gateway as a process of its own, whose memory can be measured, on a nats-server of its own; nothing answers for models. */
export async function startLoneGateway(t: Pick<Test, 'teardown'>): Promise<{ pid: number; port: number; folder: string }> {
  const nats = await startNats(t);
  const port = await freePort();
  const folder = await makeFolder(t);
  const env = { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FORGE_'))), FORGE_NATS_URL: nats.url, FORGE_PORT: String(port), FORGE_DATA_DIR: resolve(folder, 'data'), FORGE_PROJECT_ROOTS: folder, FORGE_INFERENCE: 'http://127.0.0.1:9' };
  const gateway = spawn(process.execPath, [resolve(import.meta.dirname, '../../gateway/main.ts')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(async () => {
    gateway.kill();
    await once(gateway, 'close');
  });
  await once(createInterface({ input: gateway.stdout }), 'line');
  return { pid: gateway.pid!, port, folder };
}
