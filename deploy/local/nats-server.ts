import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { ServiceSpec } from './service.ts';

const oldest: readonly [number, number] = [2, 12];

/**
 * The nats-server to run: the one on PATH if it is new enough, else the one of the Python environment.
 * @throws Error with the remedy when there is neither
 */
export function findNatsServer(root: string, path = process.env['PATH'] ?? ''): { command: string; version: string } {
  const refused: string[] = [];
  for (const folder of [...path.split(delimiter).filter(Boolean), join(root, '.venv', 'bin')]) {
    const command = join(folder, 'nats-server');
    try { accessSync(command, constants.X_OK); } catch { continue; }
    const version = versionOf(command);
    if (version !== undefined && isNewEnough(version)) return { command, version };
    refused.push(`${command} is ${version ?? 'not one that runs here'}`);
  }
  throw new Error(`nats-server ${oldest.join('.')} or newer is needed${refused.length > 0 ? ` (${refused.join(', ')})` : ''}: run node deploy/local/setup.mjs --for start`);
}

function versionOf(command: string): string | undefined {
  try {
    return /v(\d+\.\d+\.\d+)/.exec(execFileSync(command, ['--version'], { encoding: 'utf8', timeout: 5_000, stdio: ['ignore', 'pipe', 'ignore'] }))?.[1];
  } catch {
    return undefined;
  }
}

function isNewEnough(version: string): boolean {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}

/**
 * Writes the server's configuration and tells how to run it: loopback, files in `dir`, every append on disk before
 * it is acknowledged (the default loses acknowledged writes at a power failure).
 */
export function natsService(command: string, dir: string, port: number, env: NodeJS.ProcessEnv): ServiceSpec {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const config = join(dir, 'nats-server.conf');
  writeFileSync(config, [
    `listen: "127.0.0.1:${port}"`,
    'max_payload: 1MB',
    'write_deadline: "10s"',
    `jetstream {`,
    `  store_dir: ${JSON.stringify(dir)}`,
    '  sync_interval: always',
    '}',
    '',
  ].join('\n'), { mode: 0o600 });
  return { name: 'nats-server', command, args: ['-c', config], cwd: dir, env, isReady: (line) => line.includes('Server is ready') };
}
