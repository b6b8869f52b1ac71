import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { jetstreamManager } from '@nats-io/jetstream';
import { connectNats } from '../../core/nats.ts';
import { freePort, openConfig, startNats, type TestNats } from '../support/nats.ts';

/** One server, or a cluster of three that know each other. */
export async function startNatsServers(t: Pick<Test, 'teardown'>, cluster: boolean): Promise<TestNats[]> {
  if (!cluster) return [await startNats(t)];
  const ports = [await freePort(), await freePort(), await freePort()];
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  const servers = await Promise.all(ports.map((port, index) => startNats(t, (own, dir) => `${openConfig(own, dir)}server_name: "nats-${index + 1}"\ncluster { name: "chaos", listen: "127.0.0.1:${port}", routes: [${routes}] }\n`)));
  const connection = await connectNats(servers[0]!.url, 'campaign');
  const manager = await jetstreamManager(connection, { checkAPI: false });
  // They take a moment to choose their leader, and refuse until then.
  await until('the three servers have no leader', () => manager.streams.names().next().then(() => true, () => false));
  await connection.close();
  return servers;
}

/** What a server does by itself it tells nobody: it is looked at now and then. */
async function until(otherwise: string, fits: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await fits())) {
    if (performance.now() > deadline) throw new Error(`${otherwise} after 60 s`);
    await setTimeout(100);
  }
}
