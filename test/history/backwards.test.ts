import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import t, { type Test } from 'tap';
import { dataPaths } from '../../core/config.ts';
import { verifyHistory } from '../../core/history/verify.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { Continuity } from '../../core/store/continuity.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { createJetStreamStore, eventStream, eventStreamConfig } from '../../core/store/jetstream-store.ts';
import { createGateway } from '../../gateway/app.ts';
import { gatewayScene, type GatewayScene } from '../support/gateway-scene.ts';
import { startNats } from '../support/nats.ts';

const job = { project_name: 'tiny', base_model: 'ai-forge/starter' };

/** Puts the server's files as they were then in the place of what they are now. */
async function goBack(t: Test, scene: GatewayScene, older: string | undefined): Promise<void> {
  await scene.nats.kill();
  await rm(join(scene.nats.dir, 'data'), { recursive: true });
  if (older !== undefined) await cp(older, join(scene.nats.dir, 'data'), { recursive: true });
  await scene.nats.start();
  // The end of the outage is seen by a connection that was there before.
  await t.resolves(until(async () => ((await scene.get('/health')).body['degraded'] as string[]).includes('events')), 'the gateway has noticed');
}

async function until(there: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await there())) if (performance.now() > deadline) throw new Error('not within 20 s');
}

async function copyNow(t: Test, scene: GatewayScene): Promise<string> {
  await scene.nats.kill();
  const older = join(t.testdir(), 'data');
  await cp(join(scene.nats.dir, 'data'), older, { recursive: true });
  await scene.nats.start();
  return older;
}

async function lastOf(url: string): Promise<number> {
  const connection = await connectNats(url, 'test');
  try {
    return (await (await jetstreamManager(connection)).streams.info(eventStream).catch(() => undefined))?.state.last_seq ?? 0;
  } finally {
    await connection.close();
  }
}

for (const what of ['an older copy', 'an empty server']) {
  t.test(`${what} in the place of the stream is not written to, and the gateway says what to do`, async (t) => {
    const scene = await gatewayScene(t);
    await scene.guardian();
    t.equal((await scene.post('/v1/fine-tune', job)).status, 200);
    const older = await copyNow(t, scene);
    let jobId = '';
    await until(async () => (jobId = ((await scene.post('/v1/fine-tune', job)).body['job_id'] as string | undefined) ?? '') !== '');
    await goBack(t, scene, what === 'an older copy' ? older : undefined);
    const before = await lastOf(scene.nats.url);

    for (const path of ['/v1/fine-tune', `/v1/fine-tune/${jobId}/pause`]) {
      const refused = await scene.post(path, path === '/v1/fine-tune' ? job : undefined);
      t.equal(refused.status, 503, path);
      t.match(refused.body['detail'], /event stream has gone backwards: .*bring the newer stream back/, path);
    }
    t.match((await scene.get('/health')).body, { status: 'degraded', problem: /has gone backwards/ });
    const check = await scene.post('/grpc.health.v1.Health/Check', {});
    t.match(check.body, { status: 'NOT_SERVING' });
    t.equal(await lastOf(scene.nats.url), before, 'nothing was appended');

    await scene.stop();
    const connection = await connectNats(scene.nats.url, 'another');
    const another = createGateway({ config: scene.config, connection, logger: silentLogger });
    await t.rejects(another.start(), { message: /has gone backwards/ }, 'a gateway that starts anew knows it too');
    await another.stop();
    await connection.close();
    await rm(dataPaths(scene.config.dataDir).mark);
    await scene.restart();
    t.equal((await scene.get('/health')).body['problem'], undefined);
    t.equal((await scene.get(`/status/${jobId}`)).status, 404, 'what came later is lost, as the operator has decided');
    t.equal((await scene.get('/v1/fine-tune')).body['jobs'] instanceof Array, true);
  });
}

t.test('an outage with the same stream after it is no reason to stop', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  await scene.post('/v1/fine-tune', job);
  await scene.nats.restart();
  await until(async () => (await scene.post('/v1/fine-tune', job)).status === 200);
  await scene.restart();
  t.match((await scene.get('/health')).body['problem'], undefined);
});

t.test('a leader that has not applied all it knows is asked again', async (t) => {
  const answers = [3, 3, 5];
  const bytes = Buffer.from('five');
  const continuity = new Continuity({ lastSequence: async () => answers.shift()!, message: async () => bytes }, { sequence: 5, sha256: sha256Hex(bytes) });
  await continuity.check();
  t.same(answers, []);
  t.equal(continuity.problem, undefined);
  t.throws(() => continuity.appended(5, bytes, 5), { code: 'unavailable' }, 'a number that was given before');
  await t.rejects(continuity.check(), { code: 'unavailable' }, 'for ever');
});

t.test('a gap, and a gateway that holds other states, are found', async (t) => {
  const nats = await startNats(t);
  const connection = await connectNats(nats.url, 'test');
  t.teardown(() => connection.close());
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ ...eventStreamConfig, deny_delete: false });
  for (let n = 1; n <= 3; n++) await jetstream(connection).publish('forge.nothing.x', `${n}`);
  await manager.streams.deleteMessage(eventStream, 2);
  const store = await createJetStreamStore(connection);
  const state = { sequence: 1, kinds: { task: sha256Hex('other') } };
  const { problems } = await verifyHistory(store, [], [{ gatewayId: 'g1', state }, { gatewayId: 'g2', state: undefined }, { gatewayId: 'g3', state: { sequence: 9, kinds: {} } }]);
  t.ok(problems.includes('message 2 is missing'));
  t.ok(problems.some((problem) => /^gateway g1 holds other states than the history up to message 1 makes, of kind .*task/.test(problem)));
  t.ok(problems.includes('gateway g2 did not tell its state in time'));
  t.ok(problems.includes('gateway g3 has applied message 9, and the history ends at 3'));
});
