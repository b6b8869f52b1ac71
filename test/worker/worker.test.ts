import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { NatsConnection } from '@nats-io/transport-node';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { BeatVerdict_Verdict, ReportOutcome, RequestedStop, type BeatRequest, type ReportRequest, type Telemetry } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import type { TaskContext, TaskRunner } from '../../core/worker/task-runner.ts';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { createWorker, type Worker } from '../../core/worker/worker.ts';
import { startNats, type TestNats } from '../support/nats.ts';
import { createWorkerGateway, type WorkerGateway } from '../support/worker-gateway.ts';

t.setTimeout(60_000);

interface Scene {
  server: TestNats;
  gateway: WorkerGateway;
  dirs: { spool: string; work: string };
  worker(runner: TaskRunner, hooks?: { onFenced?(): void; onConfirmed?(): void; beatMs?: number; fenceMs?: number }): Promise<Worker>;
}

async function scene(t: Test): Promise<Scene> {
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

const task = (taskId: string, attempt = 1) => ({ taskId, attempt, kind: TaskKind.TRAIN });
const result = { kind: { case: 'train' as const, value: { adapterDigest: 'a'.repeat(64), steps: 3n } } };
const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => (signal.aborted ? resolve(signal.reason) : signal.addEventListener('abort', () => resolve(signal.reason))));

t.test('a task is asked for, run, and reported in order', async (t) => {
  const { gateway, worker, dirs } = await scene(t);
  let context: TaskContext | undefined;
  await worker(async (given) => {
    context = given;
    t.same(await readdir(given.workDir), []);
    given.phase('loading');
    given.phase('training', 3);
    await given.checkpoint({ step: 1, epoch: 0.5, loss: 2, digest: 'b'.repeat(64), seconds: 0.1 });
    return result;
  });
  gateway.offer(task('job_1'));
  const completed = await gateway.report('job_1', 'completed');
  t.same(gateway.accepted.map((report) => [Number(report.number), report.body.case]), [[1, 'phase'], [2, 'phase'], [3, 'checkpoint'], [4, 'completed']]);
  t.equal((completed.body.value as { result: { kind: { value: { steps: bigint } } } }).result.kind.value.steps, 3n);
  t.equal(context!.slot.name, 'train');
  await gateway.next('asks');
  t.same(await readdir(join(dirs.spool, 'w1')), [], 'nothing stays in the spool');
  t.same(await readdir(join(dirs.work, 'w1')), [], 'nor in the work folder');
});

