import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { NatsConnection } from '@nats-io/transport-node';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { putTree } from '../../core/blobs/tree.ts';
import { dataPaths } from '../../core/config.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import type { Worker } from '../../core/worker/worker.ts';
import { createAgent, nodeModules } from '../../gpu-agent/agent.ts';
import { defaultTrainerSettings, type TrainerSettings } from '../../gpu-agent/deps.ts';
import { describeHost } from '../../gpu-agent/host/inventory.ts';
import { findLlamaTools } from '../../gpu-agent/llama-tools.ts';
import { startNats, type TestNats } from './nats.ts';
import { createWorkerGateway, type WorkerGateway } from './worker-gateway.ts';

export const scriptedTrainer = join(import.meta.dirname, 'scripted-trainer.mjs');

export interface AgentScene {
  server: TestNats;
  gateway: WorkerGateway;
  blobs: BlobStore;
  dataDir: string;
  base: string;
  /** A dataset whose first row tells the scripted trainer what to do. @returns its tree's digest */
  dataset(script: Record<string, unknown>): Promise<string>;
  /** `real`: with the Python trainer, its llama.cpp, and a starter model of a few seconds. */
  agent(options?: { trainer?: Partial<TrainerSettings>; fenceMs?: number; real?: boolean }): Promise<Worker>;
  train(taskId: string, datasetDigest: string, inputs?: Record<string, unknown>, attempt?: number): void;
}

const scripted: TrainerSettings = {
  ...defaultTrainerSettings, python: process.execPath, threads: 1,
  commandLine: (command, file) => ({ command: process.execPath, args: [scriptedTrainer, command, '--config', file] }),
};

async function realTrainer() {
  const python = join(nodeModules, '../.venv/bin/python');
  return {
    trainer: { ...defaultTrainerSettings, python, threads: 2 },
    starter: { seconds: 3, corpus: async () => [join(nodeModules, 'undici')] },
    tools: await findLlamaTools(nodeModules, python),
  };
}

/** A nats-server, a small gateway, blobs and an agent whose trainer is the scripted one; all gone with the test. */
export async function agentScene(t: Pick<Test, 'teardown'>): Promise<AgentScene> {
  const server = await startNats(t);
  const connections: NatsConnection[] = [await connectNats(server.url, 'gateway')];
  const dataDir = await mkdtemp(join(tmpdir(), 'forge-agent-'));
  const base = await mkdtemp(join(tmpdir(), 'forge-base-'));
  const blobs = createFileBlobStore(dataPaths(dataDir).blobs);
  const agents: Worker[] = [];
  t.teardown(async () => {
    for (const agent of agents) await agent.stop();
    for (const connection of connections) await connection.close();
    for (const dir of [dataDir, base]) await rm(dir, { recursive: true, force: true });
  });
  const gateway = createWorkerGateway(connections[0]!);
  return {
    server, gateway, blobs, dataDir, base,
    async dataset(script) {
      const dir = await mkdtemp(join(tmpdir(), 'forge-dataset-'));
      for (const name of ['train.jsonl', 'heldout.jsonl']) await writeFile(join(dir, name), `${JSON.stringify({ script })}\n`);
      const digest = await putTree(blobs, dir);
      await rm(dir, { recursive: true });
      return digest;
    },
    async agent(options = {}) {
      const nats = await connectNats(server.url, 'agent', '_INBOX.local');
      connections.push(nats);
      const agent = createAgent({
        nats, workerId: 'local', dataDir,
        info: describeHost([]),
        settings: { beatMs: 50, fenceMs: options.fenceMs ?? 10_000 },
        ...(options.real === true ? await realTrainer() : { trainer: scripted, starter: { seconds: 1, corpus: async () => [base] }, tools: { libraryDir: base, converterDir: base } }),
        ...(options.trainer === undefined ? {} : { trainer: { ...scripted, ...options.trainer } }),
        logger: silentLogger,
      });
      agents.push(agent);
      await agent.start();
      return agent;
    },
    train(taskId, datasetDigest, inputs = {}, attempt = 1) {
      gateway.offer({
        taskId, attempt, kind: TaskKind.TRAIN,
        spec: { kind: { case: 'train', value: { baseModel: base } } },
        inputs: { datasetDigest, baseModel: base, hyperparameters: { epochs: 1, checkpointEverySteps: 2 }, ...inputs },
      });
    },
  };
}
