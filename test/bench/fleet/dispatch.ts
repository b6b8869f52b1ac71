import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import { TaskKind } from '../../../core/gen/aiforge/v1/task_pb.ts';
import { AskRequestSchema, AskResponseSchema } from '../../../core/gen/aiforge/v1/worker_pb.ts';
import { createLogger, silentLogger } from '../../../core/logger.ts';
import { connectNats } from '../../../core/nats.ts';
import { createJetStreamStore } from '../../../core/store/jetstream-store.ts';
import { Ledger } from '../../../core/store/ledger.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { TaskFailure } from '../../../core/worker/task-runner.ts';
import { createWorker, type Worker } from '../../../core/worker/worker.ts';
import { gatewayPlace } from './bench-gateway.ts';
import { startBenchNats } from './bench-nats.ts';
import { percentile, shownMs, type Figure } from './figure.ts';
import { forEach, queueTask, trainingSpec } from './running-task.ts';

const workerCount = 8;
const samples = 200;
const aimMs = 50;

/**
 * How long a task waits for a worker that is free: from the answer to the append that queued it until this process,
 * which follows the stream, has seen its `AttemptStarted`. Workers speak the real protocol and end each attempt at
 * once; tasks are appended as another gateway would. Then the same while `queued` tasks wait for a pool that has no
 * worker, each of which the scheduler has to look at; and how long a worker's ask takes where so many could run.
 */
export async function* measureDispatch(queued: number): AsyncIterable<Figure> {
  const nats = await startBenchNats('always');
  const place = await gatewayPlace(nats.url);
  const dir = await mkdtemp(join(tmpdir(), 'forge-bench-workers-'));
  const gateway = await place.start();
  const connection = await connectNats(nats.url, 'bench');
  const ledger = new Ledger({ store: await createJetStreamStore(connection), aggregates: [taskAggregate] as never, logger: createLogger('bench') });
  const workers: { worker: Worker; connection: NatsConnection }[] = [];
  try {
    await ledger.start();
    for (let n = 0; n < workerCount; n++) workers.push(await startWorker(nats.url, `bench-${n}`, dir));

    yield await claims('queue to claimed, idle fleet', ledger, aimMs);
    const waiting = trainingSpec('nowhere');
    await forEach(queued, (n) => queueTask(ledger, `job_waiting_${n}`, waiting));
    yield await claims(`queue to claimed, ${queued.toLocaleString('en')} others queued`, ledger, aimMs);
    for (const { worker } of workers) await worker.stop();

    const runnable = trainingSpec();
    await forEach(queued, (n) => queueTask(ledger, `job_runnable_${n}`, runnable));
    const times: number[] = [];
    for (let n = 0; n < samples; n++) times.push(await ask(connection, n));
    yield { what: `a worker’s ask, of ${(2 * queued).toLocaleString('en')} queued half can run`, measured: shown(times) };
  } finally {
    for (const { worker, connection: own } of workers) {
      await worker.stop();
      await own.close();
    }
    await ledger.stop();
    await gateway.stop();
    await connection.close();
    await place.remove();
    await nats.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function shown(times: number[]): string {
  return `p50 ${shownMs(percentile(times, 0.5))}, p99 ${shownMs(percentile(times, 0.99))}`;
}

async function claims(what: string, ledger: Ledger, aim: number): Promise<Figure> {
  const spec = trainingSpec();
  const times: number[] = [];
  for (let n = 0; n < samples; n++) {
    const id = `job_${randomUUID()}`;
    const [started, ended] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()];
    const stopListening = ledger.onApplied(({ stored }) => {
      if (stored.id !== id) return;
      for (const { kind } of stored.envelope.events) {
        if (kind.case === 'attemptStarted') started.resolve(performance.now());
        if (kind.case === 'attemptEnded') ended.resolve();
      }
    });
    await queueTask(ledger, id, spec);
    const from = performance.now();
    times.push(Math.max(0, (await started.promise) - from));
    await ended.promise;
    stopListening();
  }
  const p99 = percentile(times, 0.99);
  return { what: `${what}, ${samples} tasks, ${workerCount} workers`, measured: shown(times), aim: `p99 ≤ ${aim} ms`, met: p99 <= aim };
}

async function startWorker(url: string, workerId: string, dir: string): Promise<{ worker: Worker; connection: NatsConnection }> {
  const connection = await connectNats(url, workerId);
  const worker = createWorker({
    nats: connection, workerId, logger: silentLogger,
    info: { slots: [{ name: 'cpu', kinds: [TaskKind.TRAIN] }] },
    runners: { [TaskKind.TRAIN]: async () => { throw new TaskFailure('bench', 'only the claim is measured', false); } },
    dirs: { spool: join(dir, 'spool'), work: join(dir, 'work') },
    settings: { beatMs: 5_000, fenceMs: 20_000 },
  });
  await worker.start();
  return { worker, connection };
}

/** Asks as a worker that gets one task and never another. @returns how long the answer took */
async function ask(connection: NatsConnection, n: number): Promise<number> {
  const workerId = `asking-${n}`;
  const request = toBinary(AskRequestSchema, create(AskRequestSchema, { bootId: randomUUID(), slot: 'cpu', askId: randomUUID(), kinds: [TaskKind.TRAIN] }));
  const from = performance.now();
  const { data } = await connection.request(`work.ask.${workerId}`, request, { timeout: 30_000, noMux: true, reply: `_INBOX.${workerId}.${randomUUID()}` });
  if (fromBinary(AskResponseSchema, data).assignment === undefined) throw new Error('an ask got no task');
  return performance.now() - from;
}
