import { join } from 'node:path';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { putTree } from '../../core/blobs/tree.ts';
import { AgentStatus } from '../../core/gen/aiforge/v1/fleet_pb.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import type { TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { TaskRunner } from '../../core/worker/task-runner.ts';
import { createWorker } from '../../core/worker/worker.ts';
import { followFleet, isAgent } from '../support/fleet-feed.ts';
import { gatewayScene, watch, type GatewayScene } from '../support/gateway-scene.ts';
import { writeModelFolder } from '../support/model-folder.ts';
import { makeFolder } from '../support/repository.ts';

const job = { project_name: 'tiny', base_model: 'ai-forge/starter' };
const gib = 1n << 30n;

/** An agent with one GPU that runs what the test says. */
async function agent(t: Test, scene: GatewayScene, workerId: string, run: TaskRunner) {
  const nats = await connectNats(scene.nats.url, workerId, `_INBOX.${workerId}`);
  const worker = createWorker({
    nats, workerId, logger: silentLogger,
    info: {
      host: `${workerId}.example`, cpus: 8, memoryBytes: 32n * gib, versions: { node: '24.0.0' }, labels: { arch: 'x64' },
      gpus: [{ index: 0, name: 'NVIDIA L4', memoryBytes: 24n * gib, driver: '570.86.15', computeCapability: '8.9' }],
      slots: [{ name: 'gpu0', kinds: [TaskKind.TRAIN], gpuIndex: 0 }],
    },
    reading: () => ({ load: 1.5, diskFreeBytes: 5n * gib, gpus: [{ index: 0, utilizationPercent: 97, memoryUsedBytes: 20n * gib, temperatureCelsius: 71 }] }),
    runners: { [TaskKind.TRAIN]: run },
    dirs: { spool: join(scene.config.dataDir, 'spool'), work: join(scene.config.dataDir, 'work') },
    settings: { beatMs: scene.config.beatMs, fenceMs: scene.config.fenceMs },
  });
  await worker.start();
  t.teardown(async () => { await worker.stop(); await nats.close(); });
  return worker;
}

/** Runs until it is told to stop. */
const lasting: TaskRunner = async (context) => {
  context.phase('training', 100);
  context.metric({ step: 1n, tokensPerSecond: 1234.5 });
  if (!context.signal.aborted) await once(context.signal, 'abort');
  return 'stopped';
};

t.test('an agent is shown with what it has, measures and runs', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  await agent(t, scene, 'one', lasting);
  const until = followFleet(t, scene.url, 'one');
  await until(isAgent('one', AgentStatus.READY));
  const jobId = (await scene.post('/v1/fine-tune', job)).body['job_id'] as string;
  await until((change) => change.case === 'agent' && change.value.slots[0]?.task?.tokensPerSecond === 1234.5);
  const { status, body } = await scene.get('/v1/agents/one');
  t.equal(status, 200);
  const { last_seen: lastSeen, ...shown } = body['agent'] as Record<string, unknown>;
  t.ok(Math.abs(Date.parse(lastSeen as string) - Date.now()) < 5_000);
  t.same(shown, {
    agent_id: 'one', status: 'ready', cordoned: false, host: 'one.example', cpus: 8, memory_bytes: Number(32n * gib),
    gpus: [{
      index: 0, name: 'NVIDIA L4', memory_bytes: Number(24n * gib), driver: '570.86.15', compute_capability: '8.9',
      reading: { index: 0, utilization_percent: 97, memory_used_bytes: Number(20n * gib), temperature_celsius: 71 },
    }],
    slots: [{ name: 'gpu0', kinds: ['train'], gpu_index: 0, task: { task_id: jobId, attempt: 1, kind: 'train', project: 'tiny', phase: 'training', tokens_per_second: 1234.5 } }],
    versions: { node: '24.0.0' }, labels: { arch: 'x64' },
    reading: { load: 1.5, disk_free_bytes: Number(5n * gib), gpus: [] },
  }, 'and nothing that was not measured');
  t.same((await scene.get('/v1/agents')).body['agents'] instanceof Array && ((await scene.get('/v1/agents')).body['agents'] as { agent_id: string }[]).map((one) => one.agent_id), ['one'], 'the guardian and the deployer are no agents');
  t.match(await scene.get('/v1/agents/nobody'), { status: 404, body: { detail: /there is no agent "nobody"/ } });
  t.match(await scene.post('/v1/agents/one/drain', { mode: 'sideways' }), { status: 400 });
  t.match(await scene.post('/v1/agents/one/remove'), { status: 400, body: { detail: /runs job_.*drain it first/ } });
});

t.test('a cordoned agent is given nothing, by a gateway that started later either', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const begun: string[] = [];
  const begin = (name: string): TaskRunner => async (context) => { begun.push(name); return lasting(context); };
  await agent(t, scene, 'one', begin('one'));
  const until = followFleet(t, scene.url);
  await until(isAgent('one', AgentStatus.READY));
  t.match(await scene.post('/v1/agents/one/cordon'), { status: 200, body: { agent: { status: 'cordoned', cordoned: true } } });
  await scene.restart();
  const observer = await connectNats(scene.nats.url, 'observer');
  const ledger = new Ledger({ store: await createJetStreamStore(observer), aggregates: [taskAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(async () => { await ledger.stop(); await observer.close(); });

  /** A job that waits for a worker and nothing else. */
  const ready = async (): Promise<string> => {
    const jobId = (await scene.post('/v1/fine-tune', job)).body['job_id'] as string;
    const extracted = new Promise<void>((resolve) => ledger.onApplied(({ stored, head }) => {
      if (stored.id === `${jobId}.extract` && (head.state as TaskState).status === 'completed') resolve();
    }));
    if (ledger.head(taskAggregate, `${jobId}.extract`).state.status !== 'completed') await extracted;
    return jobId;
  };
  const first = await ready();
  const answers = observer.subscribe('_INBOX.one.*', { max: 1 });
  await observer.flush();
  observer.publish('work.wake');
  for await (const answer of answers) t.equal(answer.data.length, 0, 'it asks, and there is nothing for it');
  t.same(begun, []);
  await agent(t, scene, 'two', begin('two'));
  await watch(scene, first, '', (message) => message['status'] === 'training');
  const second = await ready();
  t.same(begun, ['two']);
  t.match(await scene.post('/v1/agents/one/uncordon'), { status: 200, body: { agent: { cordoned: false } } });
  await watch(scene, second, '', (message) => message['status'] === 'training');
  t.same(begun, ['two', 'one'], 'and it is woken when it may work again');
});

t.test('a drained agent saves and gives back, uncounted; another goes on; it may be removed and taken back', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const resumed: string[] = [];
  const digest = await putTree(scene.blobs, t.testdir({ state: 'step 5' }));
  await agent(t, scene, 'one', async (context) => {
    const stopped = await lasting(context);
    await context.checkpoint({ step: 5, epoch: 0.5, digest, seconds: 0.1 });
    return stopped;
  });
  const until = followFleet(t, scene.url);
  const jobId = (await scene.post('/v1/fine-tune', job)).body['job_id'] as string;
  await until((change) => change.case === 'agent' && change.value.slots[0]?.task?.taskId === jobId);
  await agent(t, scene, 'two', async (context) => { resumed.push(`${context.assignment.attempt} ${context.assignment.inputs!.checkpointDigest}`); return lasting(context); });
  await until(isAgent('two', AgentStatus.READY));
  t.match(await scene.post('/v1/agents/one/drain', { mode: 'checkpoint' }), { status: 200, body: { agent: { drain_mode: 'checkpoint' } } });
  await until(isAgent('one', AgentStatus.DRAINED));
  const ended = await watch(scene, jobId, '', (message) => message['attempt'] === 2 && message['status'] === 'training');
  t.same(resumed, [`2 ${digest}`], 'from the checkpoint that it saved');
  t.notOk(ended.messages.some((message) => ['paused', 'failed'].includes(message['status'] as string)), 'nobody was told of a pause');

  t.match(await scene.post('/v1/agents/one/remove'), { status: 200, body: { agent_id: 'one' } });
  await until((change) => change.case === 'removedAgentId' && change.value === 'one');
  t.match(await scene.get('/v1/agents/one'), { status: 404 });
  t.match(await scene.post('/v1/agents/one/cordon'), { status: 404 });
  t.match(await scene.post('/v1/agents/one/uncordon'), { status: 200 });
  await until(isAgent('one', AgentStatus.READY));
});

t.test('draining to the end: what runs is finished, nothing new is begun', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const finish = Promise.withResolvers<void>();
  const stops: unknown[] = [];
  await agent(t, scene, 'one', async (context) => {
    context.signal.addEventListener('abort', () => stops.push(context.signal.reason));
    context.phase('training', 1);
    await finish.promise;
    return { kind: { case: 'train', value: { adapterDigest: await putTree(scene.blobs, t.testdir({ adapter: 'x' })), steps: 1n } } };
  });
  const until = followFleet(t, scene.url);
  const jobId = (await scene.post('/v1/fine-tune', job)).body['job_id'] as string;
  await until((change) => change.case === 'agent' && change.value.slots[0]?.task?.taskId === jobId);
  t.match(await scene.post('/v1/agents/one/drain', {}), { status: 200, body: { agent: { status: 'draining', drain_mode: 'finish' } } });
  const waiting = (await scene.post('/v1/fine-tune', job)).body['job_id'] as string;
  finish.resolve();
  await until(isAgent('one', AgentStatus.DRAINED));
  t.equal((await scene.get(`/status/${jobId}`)).body['status'], 'completed');
  t.equal((await scene.get(`/status/${waiting}`)).body['status'], 'queued');
  // A beat that crosses the end of its attempt may be told that this is over.
  t.notOk(stops.includes('drain'));
});

t.test('the memory that a job takes is estimated and shown; one that no GPU has is refused at once', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const base = await makeFolder(t);
  await writeModelFolder(base, { hidden: 64, layers: 2 });
  const small = { ...job, base_model: base, rank: 8, batch_size: 4, max_seq_length: 128 };
  const huge = { ...small, max_seq_length: 131_072, batch_size: 1024 };
  const waiting = await scene.post('/v1/fine-tune', huge);
  t.equal(waiting.status, 200, 'while no agent is known, nothing is known of memory');
  await scene.post(`/v1/fine-tune/${waiting.body['job_id'] as string}/cancel`);

  await agent(t, scene, 'one', lasting);
  const until = followFleet(t, scene.url, 'one');
  await until(isAgent('one', AgentStatus.READY));
  const { status, body } = await scene.post('/v1/fine-tune', small);
  t.equal(status, 200);
  const { memory_estimate: estimate, batch_size: batchSize, gradient_accumulation: accumulation } = (await scene.get(`/status/${body['job_id'] as string}`)).body;
  const { gpu_bytes: gpuBytes, cpu_bytes: cpuBytes } = estimate as { gpu_bytes: number; cpu_bytes: number };
  t.ok(gpuBytes > 2 ** 30 && gpuBytes < 3 * 2 ** 30 && cpuBytes > 0, `${gpuBytes} bytes on a GPU, ${cpuBytes} without`);
  t.same([batchSize, accumulation], [4, 8]);
  await until((change) => change.case === 'agent' && change.value.slots[0]?.task?.taskId === body['job_id']);

  const before = (await scene.get('/v1/fine-tune')).body['jobs'] as unknown[];
  t.match(await scene.post('/v1/fine-tune', huge), { status: 400, body: { detail: /^base_model: training .* takes \d+\.\d GiB of GPU memory by estimate, and the largest GPU has 24\.0 GiB, so nobody could ever run it; lower batch_size/ } });
  t.equal(((await scene.get('/v1/fine-tune')).body['jobs'] as unknown[]).length, before.length, 'and nothing is created');
  const unknown = await scene.post('/v1/fine-tune', { ...huge, base_model: 'nobody/knows-this-one' });
  t.equal(unknown.status, 200, 'a model whose size is not known is not guessed at');
  t.notOk('memory_estimate' in (await scene.get(`/status/${unknown.body['job_id'] as string}`)).body);
});

t.test('a job that nobody could ever run says so at once, and creates nothing', async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const pooled = { ...job, pool: 'night', priority: 'high' };
  t.match(await scene.post('/v1/fine-tune', pooled), { status: 400, body: { detail: 'pool: no agent is in "night", so nobody could ever run it; pools: no agent was heard' } });
  await agent(t, scene, 'one', lasting);
  const until = followFleet(t, scene.url, 'one');
  await until(isAgent('one', AgentStatus.READY));
  t.match(await scene.post('/v1/fine-tune', pooled), { status: 400, body: { detail: /pools: none$/ } });
  t.match(await scene.post('/v1/fine-tune', { ...job, labels: { arch: 'riscv' } }), { status: 400, body: { detail: /^labels: no agent has all of them/ } });
  t.match(await scene.post('/v1/fine-tune', { ...job, priority: 'soon' }), { status: 400, body: { detail: /^priority: must be one of/ } });
  t.match(await scene.post('/v1/fine-tune', { ...job, pool: 'a b' }), { status: 400, body: { detail: /^pool: letters/ } });
  t.same((await scene.get('/v1/fine-tune')).body['jobs'], []);
  await scene.post('/v1/agents/one/cordon');
  const accepted = await scene.post('/v1/fine-tune', { ...job, labels: { arch: 'x64' }, priority: 'low' }, { 'idempotency-key': 'k' });
  t.equal(accepted.status, 200, 'a cordoned agent could run it later');
  await scene.post('/v1/agents/one/remove');
  t.same((await scene.post('/v1/fine-tune', { ...job, labels: { arch: 'x64' }, priority: 'low' }, { 'idempotency-key': 'k' })).body, accepted.body, 'a repeat is answered as before');
  t.match(await scene.post('/v1/fine-tune', { ...job, labels: { arch: 'x64' } }), { status: 400 }, 'a removed one could not');
});
