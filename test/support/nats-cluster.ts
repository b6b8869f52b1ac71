import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Test } from 'tap';
import { isNoStream } from '../../core/store/jetstream-errors.ts';
import { connectNats } from '../../core/nats.ts';
import type { NatsRole } from '../../core/nats-credentials.ts';
import { serverConfig } from '../../deploy/nats/server-config.ts';
import { createCredentials } from './guarded-nats.ts';
import { lastingPort, startNats, type TestNats } from './nats.ts';

const names = ['n1', 'n2', 'n3'] as const;
export type NodeName = (typeof names)[number];

/** Three nats-servers on loopback as a fleet has them: with TLS between each other and to clients, and credentials. */
export interface NatsCluster {
  nodes: Readonly<Record<NodeName, TestNats>>;
  /** Of all nodes. */
  url: string;
  fileOf(role: NatsRole, id?: string): string;
  /** @param at to these nodes alone; closed with the test */
  connect(role: NatsRole, id: string, inbox: string, at?: readonly NodeName[]): Promise<NatsConnection>;
}

export async function startNatsCluster(t: Pick<Test, 'teardown'>, known: readonly [NatsRole, string?][]): Promise<NatsCluster> {
  const dir = await mkdtemp(join(tmpdir(), 'forge-cluster-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  execFileSync(join(import.meta.dirname, '../../deploy/nats/make-certificates.sh'), [dir, 'localhost'], { stdio: 'ignore' });
  const tlsDir = join(dir, 'localhost');
  const credentials = createCredentials(dir, join(tlsDir, 'ca.pem'));
  for (const [role, id] of known) await credentials.add(role, id);
  const cluster = Object.fromEntries(await Promise.all(names.map(async (name) => [name, `localhost:${await lastingPort()}`] as const)));
  const started = names.map(async (name) => {
    const node = await startNats(t, async (port, own) => {
      await copyFile(join(dir, 'accounts.conf'), join(own, 'accounts.conf'));
      return serverConfig({ name, listen: `127.0.0.1:${port}`, storeDir: join(own, 'data'), pidFile: join(own, 'nats.pid'), tlsDir, cluster, clusterListen: `127.0.0.1:${cluster[name]!.split(':')[1]}` });
    });
    return [name, { ...node, url: node.url.replace('nats://127.0.0.1', 'tls://localhost') }] as const;
  });
  const nodes = Object.fromEntries(await Promise.all(started)) as Record<NodeName, TestNats>;
  const urlOf = (at: readonly NodeName[]): string => at.map((name) => nodes[name].url).join(',');
  const connect: NatsCluster['connect'] = async (role, id, inbox, at = names) => {
    const connection = await connectNats({ natsUrl: urlOf(at), natsCredentials: credentials.fileOf(role, id) }, id, inbox);
    t.teardown(() => connection.close());
    return connection;
  };
  await elected(await connect('operator', 'operator', '_INBOX.operator.cluster'));
  return { nodes, url: urlOf(names), fileOf: credentials.fileOf, connect };
}

/** Resolves when the nodes have elected who makes streams. */
async function elected(operator: NatsConnection): Promise<void> {
  const manager = await jetstreamManager(operator, { checkAPI: false });
  for (const deadline = performance.now() + 60_000; ; await setTimeout(100)) {
    try {
      await manager.streams.info('FORGE');
      return;
    } catch (error) {
      if (isNoStream(error)) return;
      if (performance.now() > deadline) throw error;
    }
  }
}
