import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Test } from 'tap';
import { connectNats } from '../../core/nats.ts';
import type { NatsRole } from '../../core/nats-credentials.ts';
import { addIdentity, readIdentities, revokeIdentity, writeIdentities } from '../../deploy/nats/identities.ts';
import { serverConfig } from '../../deploy/nats/server-config.ts';
import { startNats, type TestNats } from './nats.ts';

/** A nats-server that asks who is there, with what `npm run fleet` writes. */
export interface GuardedNats extends TestNats {
  /** Lets somebody in. @returns its credentials file */
  add(role: NatsRole, id?: string): Promise<string>;
  /** Takes that back, and has the server read it. */
  revoke(role: NatsRole, id?: string): Promise<void>;
  /** The credentials file of somebody who was added. */
  fileOf(role: NatsRole, id?: string): string;
  /** A connection as somebody who was added; closed with the test. */
  connect(role: NatsRole, id?: string, inbox?: string): Promise<NatsConnection>;
}

const inboxOf = (role: NatsRole, id: string): string => (role === 'gateway' ? `_INBOX.deploy-${id}` : `_INBOX.${id}`);

/** Credentials files in a folder, and the accounts that go with them. */
export function createCredentials(dir: string, caFile?: string): { add(role: NatsRole, id?: string): Promise<string>; fileOf(role: NatsRole, id?: string): string } {
  const files = new Map<string, string>();
  writeIdentities(dir, []);
  return {
    async add(role, given) {
      const { identities, credentials } = addIdentity(readIdentities(dir), role, given, new Date().toISOString());
      const file = join(dir, `${role}-${credentials.id}.json`);
      await writeFile(file, JSON.stringify({ ...credentials, ...(caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') }) }), { mode: 0o600 });
      writeIdentities(dir, identities);
      files.set(`${role} ${credentials.id}`, file);
      return file;
    },
    fileOf: (role, id = role) => files.get(`${role} ${id}`)!,
  };
}

export async function startGuardedNats(t: Pick<Test, 'teardown'>, known: readonly [NatsRole, string?][] = []): Promise<GuardedNats> {
  let credentials!: ReturnType<typeof createCredentials>;
  const nats = await startNats(t, async (port, dir) => {
    credentials = createCredentials(dir);
    for (const [role, id] of known) await credentials.add(role, id);
    return serverConfig({ name: 'test', listen: `127.0.0.1:${port}`, storeDir: join(dir, 'data'), pidFile: join(dir, 'nats.pid'), tlsDir: undefined });
  });
  return {
    ...nats,
    async add(role, id) {
      const file = await credentials.add(role, id);
      process.kill(nats.pid(), 'SIGHUP');
      return file;
    },
    async revoke(role, id) {
      writeIdentities(nats.dir, revokeIdentity(readIdentities(nats.dir), role, id, new Date().toISOString()));
      process.kill(nats.pid(), 'SIGHUP');
    },
    fileOf: credentials.fileOf,
    async connect(role, id = role, inbox = inboxOf(role, id)) {
      const connection = await connectNats({ natsUrl: nats.url, natsCredentials: credentials.fileOf(role, id) }, id, inbox);
      t.teardown(() => connection.close());
      return connection;
    },
  };
}
