import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { BeatRequest, CheckpointReport, Telemetry } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { agentScene, type AgentScene } from '../support/agent-scene.ts';
import { untilGone } from '../support/proc.ts';

t.setTimeout(120_000);

function start(t: Test, scene: AgentScene, fault = ''): ChildProcess {
  const agent = spawn(process.execPath, [join(import.meta.dirname, '../support/agent-process.ts'), scene.server.url, scene.dataDir], {
    env: { ...process.env, FORGE_FAULT: fault },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  t.teardown(() => agent.kill('SIGKILL'));
  return agent;
}

/** Offers the second attempt as a gateway does: from the last checkpoint that was accepted. */
function again(scene: AgentScene, dataset: string): void {
  const saved = scene.gateway.accepted.filter((report) => report.body.case === 'checkpoint').at(-1)?.body.value as CheckpointReport | undefined;
  scene.train('job_1', dataset, { checkpointDigest: saved?.digest ?? '' }, 2);
}

/** The first attempt's reports: 1 loading, 2 loading with its plan, 3 training, 4 checkpoint, 5 completed. */
const points: Record<string, 'nothing' | 'lost' | 'agent_restarted'> = {
  'agent.ask.before:1': 'nothing',
  'agent.ask.after:1': 'lost',
  'agent.report.before:1': 'agent_restarted',
  'agent.report.after:1': 'agent_restarted',
  'agent.report.after:3': 'agent_restarted',
  'agent.checkpoint.before:1': 'agent_restarted',
  'agent.report.before:5': 'nothing',
  'agent.report.after:5': 'nothing',
};

for (const [point, told] of Object.entries(points)) {
  t.test(`killed at ${point}: ${told} is told, and the task completes once`, async (t) => {
    const scene = await agentScene(t);
    const { gateway } = scene;
    const dataset = await scene.dataset({ steps: 2 });
    // What is to be killed before its end must not get there while the answer to a report is on its way.
    scene.train('job_1', told === 'agent_restarted' ? await scene.dataset({ steps: 2, holdAt: 2 }) : dataset);
    t.same(await once(start(t, scene, point), 'exit'), [null, 'SIGKILL']);
    const beat = gateway.next<BeatRequest>('beats', (beat: BeatRequest) => !beat.running.some((running) => running.attempt === 1), 20_000);
    start(t, scene);
    if (told === 'lost') {
      await beat;
      again(scene, dataset);
    } else {
      beat.catch(() => {});
    }
    if (told === 'agent_restarted') {
      t.match((await gateway.report('job_1', 'failed', 20_000)).body.value, { code: told, retryable: true });
      again(scene, dataset);
    }
    const completed = await gateway.report('job_1', 'completed', 20_000);
    t.equal(completed.attempt, told === 'nothing' ? 1 : 2);
    await gateway.next('beats', (beat: BeatRequest) => beat.running.length === 0, 20_000);
    t.equal(gateway.accepted.filter((report) => report.body.case === 'completed').length, 1);
    for (const folder of ['spool', 'work']) t.same(await readdir(join(scene.dataDir, folder, 'local')), []);
  });
}

t.test('killed in the middle of a training: its trainer is gone, and the next attempt goes on', async (t) => {
  const scene = await agentScene(t);
  const { gateway } = scene;
  const agent = start(t, scene);
  scene.train('job_1', await scene.dataset({ steps: 9, holdAt: 3 }));
  const { log } = await gateway.until<Telemetry>('telemetry', (seen: Telemetry) => /pid \d+/.test(seen.log));
  await gateway.report('job_1', 'checkpoint');
  agent.kill('SIGKILL');
  await untilGone(Number(/pid (\d+)/.exec(log)![1]));
  start(t, scene);
  await gateway.report('job_1', 'failed', 20_000);
  again(scene, await scene.dataset({ steps: 9 }));
  await gateway.report('job_1', 'completed', 20_000);
  const steps = gateway.telemetry.filter((message) => message.attempt === 2).flatMap((message) => message.metrics.map((metric) => Number(metric.step)));
  t.same(steps, [3, 4, 5, 6, 7, 8, 9]);
});
