import t from 'tap';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { type CheckpointReport, RequestedStop, type Telemetry } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { agentScene, type AgentScene } from '../support/agent-scene.ts';
import { processState, untilGone, untilState } from '../support/proc.ts';

t.setTimeout(60_000);

/** Starts a training that waits after its third step, its second saved. @returns the trainer's process id */
async function held(scene: AgentScene, taskId: string, script: Record<string, unknown> = {}): Promise<number> {
  scene.train(taskId, await scene.dataset({ steps: 9, holdAt: 3, ...script }));
  const message = await scene.gateway.until<Telemetry>('telemetry', (seen: Telemetry) => seen.taskId === taskId && /pid \d+/.test(seen.log));
  await scene.gateway.until<Telemetry>('telemetry', (seen: Telemetry) => seen.taskId === taskId && seen.metrics.some((metric) => metric.step === 3n));
  await scene.gateway.report(taskId, 'checkpoint');
  return Number(/pid (\d+)/.exec(message.log)![1]);
}

t.test('pause: the trainer saves, ends and is gone', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  const pid = await held(scene, 'job_1');
  t.ok(processState(pid));
  scene.gateway.request('job_1', RequestedStop.PAUSE);
  await scene.gateway.report('job_1', 'stopped');
  t.equal(processState(pid), undefined, 'gone before the stop is told');
  const saved = scene.gateway.accepted.filter((report) => report.body.case === 'checkpoint').at(-1)!.body.value as CheckpointReport;
  t.equal(saved.step, 3n);
});

t.test('pause: an evaluation ends as stopped, and its trainer is gone', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  const datasetDigest = await scene.dataset({ holdAt: 1 });
  scene.gateway.offer({
    taskId: 'job_1.evaluate', attempt: 1, kind: TaskKind.EVALUATE,
    spec: { kind: { case: 'evaluate', value: { jobId: 'job_1' } } },
    inputs: { datasetDigest, adapterDigest: datasetDigest, baseModel: scene.base },
  });
  const message = await scene.gateway.until<Telemetry>('telemetry', (seen: Telemetry) => /pid \d+/.test(seen.log));
  const pid = Number(/pid (\d+)/.exec(message.log)![1]);
  t.ok(processState(pid));
  scene.gateway.request('job_1.evaluate', RequestedStop.PAUSE);
  await scene.gateway.report('job_1.evaluate', 'stopped');
  t.equal(processState(pid), undefined, 'gone before the stop is told');
});

t.test('cancel: the trainer ends without saving', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  const pid = await held(scene, 'job_1');
  const before = scene.gateway.accepted.filter((report) => report.body.case === 'checkpoint').length;
  scene.gateway.request('job_1', RequestedStop.CANCEL);
  await scene.gateway.report('job_1', 'stopped');
  t.equal(processState(pid), undefined);
  t.equal(scene.gateway.accepted.filter((report) => report.body.case === 'checkpoint').length, before);
});

t.test('a trainer that heeds no order is killed at its deadline, and the last durable checkpoint stands', async (t) => {
  const scene = await agentScene(t);
  await scene.agent({ trainer: { pauseMs: 100, cancelMs: 100 } });
  const paused = await held(scene, 'job_1', { deaf: true });
  scene.gateway.request('job_1', RequestedStop.PAUSE);
  await scene.gateway.report('job_1', 'stopped');
  t.equal(processState(paused), undefined);
  const saved = scene.gateway.accepted.filter((report) => report.body.case === 'checkpoint').at(-1)!.body.value as CheckpointReport;
  t.equal(saved.step, 2n);
  const cancelled = await held(scene, 'job_2', { deaf: true });
  scene.gateway.request('job_2', RequestedStop.CANCEL);
  await scene.gateway.report('job_2', 'stopped');
  t.equal(processState(cancelled), undefined);
});

t.test('drain: the checkpoint is stored, then the attempt is given back', async (t) => {
  const scene = await agentScene(t);
  const agent = await scene.agent();
  const pid = await held(scene, 'job_1');
  await agent.drain();
  t.equal(processState(pid), undefined);
  const [saved, last] = scene.gateway.accepted.slice(-2);
  t.match(saved!.body, { case: 'checkpoint', value: { step: 3n } });
  t.equal(last!.body.case, 'returned');
});

t.test('lost: the trainer is killed at once and nothing more is said', async (t) => {
  const scene = await agentScene(t);
  await scene.agent();
  const pid = await held(scene, 'job_1', { deaf: true });
  const reports = scene.gateway.received.length;
  scene.gateway.lose('job_1', 1);
  await untilGone(pid);
  await scene.gateway.next('asks');
  t.equal(scene.gateway.received.length, reports);
});

t.test('the fence stops the trainer’s process, and the next confirmation lets it go on', async (t) => {
  const scene = await agentScene(t);
  await scene.agent({ fenceMs: 400 });
  const pid = await held(scene, 'job_1');
  await untilState(pid, (state) => state !== 'T' && state !== undefined);
  scene.gateway.answering = false;
  await untilState(pid, (state) => state === 'T');
  scene.gateway.answering = true;
  await untilState(pid, (state) => state !== 'T' && state !== undefined);
  await scene.server.kill();
  await untilState(pid, (state) => state === 'T');
  await scene.server.start();
  await untilState(pid, (state) => state !== 'T' && state !== undefined);
  scene.gateway.request('job_1', RequestedStop.PAUSE);
  await scene.gateway.report('job_1', 'stopped');
  t.equal(processState(pid), undefined);
});

t.test('a fenced trainer that is lost dies too', async (t) => {
  const scene = await agentScene(t);
  await scene.agent({ fenceMs: 400 });
  const pid = await held(scene, 'job_1');
  scene.gateway.answering = false;
  await untilState(pid, (state) => state === 'T');
  scene.gateway.lose('job_1', 1);
  scene.gateway.answering = true;
  await untilGone(pid);
  t.pass();
});
