import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { toolsCache } from './registry-packages.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const bootstrap = join(root, '.venv/.bootstrap/bin');

/**
 * A Python environment of its own for a test's tools, made once for each list of requirements and kept between runs.
 * @param requirements file with all packages pinned by hash
 * @returns its `bin` folder
 * @throws Error of uv
 */
export async function pythonTools(requirements: string): Promise<string> {
  const digest = createHash('sha256').update(await readFile(requirements)).update(process.platform).digest('hex').slice(0, 16);
  const folder = join(toolsCache(), 'python', `${basename(dirname(requirements))}-${digest}`);
  const stamp = join(folder, '.complete');
  if ((await stat(stamp).catch(() => undefined)) !== undefined) return join(folder, 'bin');
  await rm(folder, { recursive: true, force: true });
  await mkdir(dirname(folder), { recursive: true });
  const { environmentForUv } = (await import(join(root, 'deploy/local/setup/package-index.mjs'))) as { environmentForUv(python: string, root: string): Promise<NodeJS.ProcessEnv> };
  const env = await environmentForUv(join(bootstrap, 'python'), root);
  const uv = (...args: string[]) => run(join(bootstrap, 'uv'), args, { env, timeout: 300_000, maxBuffer: 16 << 20 });
  await uv('venv', '--quiet', '--no-project', '--python', join(root, '.venv/bin/python'), folder);
  await uv('pip', 'sync', '--quiet', '--require-hashes', '--python', join(folder, 'bin/python'), requirements);
  await writeFile(stamp, '');
  return join(folder, 'bin');
}
