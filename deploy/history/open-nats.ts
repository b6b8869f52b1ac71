import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { dataPaths, type Config } from '../../core/config.ts';
import { ForgeError } from '../../core/errors.ts';
import { verifyInbox } from '../../core/history/gateway-states.ts';
import { connectNats, requireRole, type NatsServer } from '../../core/nats.ts';
import { natsService, findNatsServer } from '../local/nats-server.ts';
import { startLeashed } from '../local/leashed-process.ts';
import { isAlive, readLock, takeLock } from '../local/pid-lock.mjs';
import { freePort } from '../local/ports.ts';

const root = resolve(import.meta.dirname, '..', '..');
const graceMs = 5_000;

/**
 * Runs something on the nats-server that holds the events: that of `FORGE_NATS_URL` where it is set, that of the
 * AI Forge which runs on the data directory, or else one that is started on the data directory for the time of it.
 */
export async function withNats<T>(config: Config, run: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const connected = async (server: string | NatsServer): Promise<T> => {
    const connection = await connectNats(server, 'history', verifyInbox);
    try {
      return await run(connection);
    } finally {
      await connection.close();
    }
  };
  requireRole(config, 'operator');
  if (process.env['FORGE_NATS_URL']) return connected(config);
  const lockPath = join(config.dataDir, 'lock');
  const owner = readLock(lockPath);
  if (owner !== undefined && isAlive(owner)) {
    const url = owner['natsUrl'];
    if (typeof url !== 'string') throw new ForgeError('unavailable', `the AI Forge of process ${owner.pid} uses another nats-server: set FORGE_NATS_URL to it`);
    return connected(url);
  }
  return withOwnServer(config, lockPath, connected);
}

async function withOwnServer<T>(config: Config, lockPath: string, connected: (url: string) => Promise<T>): Promise<T> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const lock = takeLock(lockPath);
  if (!lock.held) throw new ForgeError('unavailable', `${config.dataDir} is in use by process ${lock.owner.pid}: try again`);
  try {
    const port = await freePort();
    const spec = natsService(findNatsServer(root).command, dataPaths(config.dataDir).nats, port, process.env);
    const said: string[] = [];
    const { promise: ready, resolve: isReady } = Promise.withResolvers<void>();
    const server = startLeashed(spec, (line) => {
      said.push(line);
      if (said.length > 20) said.shift();
      if (spec.isReady(line)) isReady();
    });
    try {
      await Promise.race([ready, server.ended.then((end) => { throw new ForgeError('unavailable', `nats-server ${end}:\n${said.join('\n')}`); })]);
      return await connected(`nats://127.0.0.1:${port}`);
    } finally {
      server.terminate();
      const force = setTimeout(server.kill, graceMs);
      await server.ended;
      clearTimeout(force);
    }
  } finally {
    lock.release();
  }
}
