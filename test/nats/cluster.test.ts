import { setTimeout } from 'node:timers/promises';
import { jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import t from 'tap';
import { encodeEnvelope } from '../../core/store/envelope.ts';
import { VersionConflict } from '../../core/store/event-store.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { event } from '../../core/task/events.ts';
import { startFaultRun } from '../support/fault-run.ts';
import { startNatsCluster, type NodeName } from '../support/nats-cluster.ts';

t.setTimeout(280_000);

t.test('a cluster of three keeps each stream on three nodes, and a job outlives the death of the one that leads', async (t) => {
  const cluster = await startNatsCluster(t, [['gateway', 'g1'], ['gateway', 'g2'], ['guardian'], ['agent', 'a1'], ['operator']]);
  const fileOf = (service: string): string => (service === 'gateway' ? cluster.fileOf('gateway', 'g1') : service === 'guardian' ? cluster.fileOf('guardian') : cluster.fileOf('agent', 'a1'));
  const run = await startFaultRun(t, {
    server: { nats: cluster.nodes.n1, envOf: (service) => ({ FORGE_NATS_CREDENTIALS: fileOf(service), FORGE_NATS_REPLICAS: '3' }), own: { natsUrl: cluster.url, natsCredentials: cluster.fileOf('operator') } },
  });
  const { stack, client } = run;
  const gateway = await cluster.connect('gateway', 'g2', '_INBOX.deploy-g2');
  const manager = await jetstreamManager(gateway, { checkAPI: false });
  for (const name of ['FORGE', 'TELEMETRY', 'TICKETS']) t.equal((await manager.streams.info(name)).config.num_replicas, 3, name);

  const hold = await stack.trainerHolds('train', 5);
  const job = run.job();
  await hold.reached();
  const leader = (await manager.streams.info('FORGE')).cluster!.leader as NodeName;
  await cluster.nodes[leader].kill();
  await hold.release();
  await job;
  t.pass(`the job ended while ${leader} was dead`);
  await cluster.nodes[leader].start();
  const info = await until(() => manager.streams.info('FORGE'), ({ cluster: { replicas = [] } = {} }) => replicas.length === 2 && replicas.every(({ current, offline }) => current && offline !== true));
  t.equal(info.cluster!.replicas!.length, 2, 'and it has caught up when it is back');
  await run.check(t, 'every promise holds');
  t.match(await client.get('/health'), { status: 'degraded', degraded: ['inference'] }, 'nothing but the model, which there is none of here, is away');
});

t.test('of those who append at the same version by different nodes one wins, and the others hear of a conflict', async (t) => {
  const cluster = await startNatsCluster(t, [['gateway', 'g1'], ['gateway', 'g2'], ['operator']]);
  const stores = await Promise.all((['n1', 'n2'] as const).map(async (node, at) => createJetStreamStore(await cluster.connect('gateway', `g${at + 1}`, `_INBOX.deploy-g${at + 1}`, [node]), { replicas: 3 })));
  let version = 0;
  for (let round = 0; round < 5; round += 1) {
    const racers = Array.from({ length: 10 }, (_, at) => {
      const bytes = encodeEnvelope('task', 'job_1', { commandId: `${round}-${at}`, actor: 'test', time: 1 }, '', [event('taskResumed', {})]);
      return stores[at % 2]!.append('task', 'job_1', bytes, version);
    });
    const ended = await Promise.allSettled(racers);
    const won = ended.filter((one) => one.status === 'fulfilled');
    t.equal(won.length, 1, 'one');
    t.ok(ended.every((one) => one.status === 'fulfilled' || one.reason instanceof VersionConflict), 'and conflicts', { ended: ended.map((one) => (one.status === 'rejected' ? String(one.reason) : one.value)) });
    version = won[0]!.value;
  }
});

async function until(look: () => Promise<StreamInfo>, holds: (info: StreamInfo) => boolean): Promise<StreamInfo> {
  for (const deadline = performance.now() + 120_000; ; await setTimeout(200)) {
    const info = await look().catch(() => undefined);
    if (info !== undefined && holds(info)) return info;
    if (performance.now() > deadline) throw new Error(`the stream did not come to that: ${JSON.stringify(info?.cluster)}`);
  }
}
