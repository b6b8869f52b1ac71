import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { NatsConnection } from '@nats-io/transport-node';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import type { TaskRunner } from '../../core/worker/task-runner.ts';
import { createWorker, type Worker } from '../../core/worker/worker.ts';
import { startNats, type TestNats } from './nats.ts';
import { createWorkerGateway, type WorkerGateway } from './worker-gateway.ts';

export interface WorkerScene {
  server: TestNats;
  gateway: WorkerGateway;
  dirs: { spool: string; work: string };
  /** Resolves when the newest worker has noticed that NATS is away. */
  disconnected(): Promise<void>;
  worker(runner: TaskRunner, hooks?: { onFenced?(): void; onConfirmed?(): void; beatMs?: number; fenceMs?: number }): Promise<Worker>;
}

/** A nats-server, a small gateway, and workers with one slot for trainings; all gone with the test. */
export async function workerScene(t: Pick<Test, 'teardown'>): Promise<WorkerScene> {
  const server = await startNats(t);
  const connections: NatsConnection[] = [await connectNats(server.url, 'gateway')];
  const dir = await mkdtemp(join(tmpdir(), 'forge-worker-'));
  const dirs = { spool: join(dir, 'spool'), work: join(dir, 'work') };
  const workers: Worker[] = [];
  t.teardown(async () => {
    for (const worker of workers) await worker.stop();
    for (const connection of connections) await connection.close();
    await rm(dir, { recursive: true, force: true });
  });
  return {
    server, dirs,
    gateway: createWorkerGateway(connections[0]!),
    async disconnected() {
      for await (const status of connections.at(-1)!.status()) if (status.type === 'disconnect') return;
    },
    async worker(runner, hooks = {}) {
      const nats = await connectNats(server.url, 'agent', '_INBOX.w1');
      connections.push(nats);
      const worker = createWorker({
        nats, workerId: 'w1', logger: silentLogger, dirs,
        info: { host: 'test', slots: [{ name: 'train', kinds: [TaskKind.TRAIN] }] },
        runners: { [TaskKind.TRAIN]: runner },
        settings: { beatMs: hooks.beatMs ?? 50, fenceMs: hooks.fenceMs ?? 5_000 },
        ...(hooks.onFenced === undefined ? {} : { onFenced: hooks.onFenced }),
        ...(hooks.onConfirmed === undefined ? {} : { onConfirmed: hooks.onConfirmed }),
      });
      workers.push(worker);
      await worker.start();
      return worker;
    },
  };
}

export const task = (taskId: string, attempt = 1) => ({ taskId, attempt, kind: TaskKind.TRAIN });
export const result = { kind: { case: 'train' as const, value: { adapterDigest: 'a'.repeat(64), steps: 3n } } };
/** @returns the reason */
export const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => (signal.aborted ? resolve(signal.reason) : signal.addEventListener('abort', () => resolve(signal.reason))));
