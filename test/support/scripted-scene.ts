import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { isTerminal, type Task, type TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { createAgent } from '../../gpu-agent/agent.ts';
import { defaultTrainerSettings, type TrainerSettings } from '../../gpu-agent/deps.ts';
import { describeHost } from '../../gpu-agent/host/inventory.ts';
import { scriptedTrainer } from './agent-scene.ts';
import { gatewayScene, watch, type GatewayScene } from './gateway-scene.ts';

/** What the next trainers of each command do, one after the other (see scripted-trainer.mjs). */
export type Scripts = Partial<Record<'train' | 'evaluate' | 'export', Record<string, unknown>[]>>;

export interface ScriptedScene {
  scene: GatewayScene;
  /** Of the test's own, over the same stream. */
  ledger: Ledger;
  script(scripts: Scripts): Promise<void>;
  /** @returns the job's id */
  submit(more?: Record<string, unknown>): Promise<string>;
  /** Submits a job whose trainers do that, and follows it to its end. */
  job(scripts: Scripts, more?: Record<string, unknown>): Promise<{ jobId: string; messages: Record<string, unknown>[]; status: Record<string, unknown> }>;
  /** Resolves when the task's state fits. */
  until(id: string, fits: (task: TaskState) => boolean): Promise<TaskState>;
  /** Resolves when the task has ended. */
  ended(id: string): Promise<Task>;
  /** How the task's attempts ended: their codes. */
  attempts(id: string): string[];
}

/** A gateway, a guardian, and an agent (unless it is left out) whose trainers do one script after the other. */
export async function scriptedScene(t: Test, { agent = true, trainer = {} }: { agent?: boolean; trainer?: Partial<TrainerSettings> } = {}): Promise<ScriptedScene> {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const dir = t.testdir({ base: {} });
  const file = join(dir, 'scripts.json');
  await writeFile(file, '{}');
  if (agent) await startAgent(t, scene, dir, file, trainer);
  const observer = await connectNats(scene.nats.url, 'observer');
  const ledger = new Ledger({ store: await createJetStreamStore(observer), aggregates: [taskAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(async () => { await ledger.stop(); await observer.close(); });

  const script = (scripts: Scripts): Promise<void> => writeFile(file, JSON.stringify(scripts));
  const submit = async (more: Record<string, unknown> = {}): Promise<string> =>
    (await scene.post('/v1/fine-tune', { project_name: 'tiny', base_model: join(dir, 'base'), batch_size: 4, gradient_accumulation: 2, checkpoint_every_steps: 2, ...more })).body['job_id'] as string;
  async function until(id: string, fits: (task: TaskState) => boolean): Promise<TaskState> {
    const changes = new EventTarget();
    const stop = ledger.onApplied(({ stored }) => { if (stored.id === id) changes.dispatchEvent(new Event('changed')); });
    try {
      for (;;) {
        const { state } = ledger.head(taskAggregate, id);
        if (fits(state)) return state;
        await once(changes, 'changed');
      }
    } finally {
      stop();
    }
  }
  return {
    scene, ledger, script, submit, until,
    async job(scripts, more) {
      await script(scripts);
      const jobId = await submit(more);
      const { messages } = await watch(scene, jobId);
      return { jobId, messages, status: (await scene.get(`/status/${jobId}`)).body };
    },
    ended: async (id) => (await until(id, isTerminal)) as Task,
    attempts: (id) => (ledger.head(taskAggregate, id).state as Task).ended.map(({ code }) => code || 'completed'),
  };
}

async function startAgent(t: Test, scene: GatewayScene, dir: string, scripts: string, trainer: Partial<TrainerSettings>): Promise<void> {
  const nats = await connectNats(scene.nats.url, 'agent', '_INBOX.local');
  const agent = createAgent({
    nats, workerId: 'local', dataDir: scene.config.dataDir, logger: silentLogger,
    info: describeHost([]),
    settings: { beatMs: scene.config.beatMs, fenceMs: 10_000 },
    trainer: { ...defaultTrainerSettings, python: process.execPath, threads: 1, commandLine: (command, config) => ({ command: process.execPath, args: [scriptedTrainer, command, '--config', config, '--scripts', scripts] }), ...trainer },
    starter: { seconds: 1, corpus: async () => [dir] },
    tools: { libraryDir: dir, converterDir: dir },
  });
  t.teardown(async () => { await agent.stop(); await nats.close(); });
  await agent.start();
}
