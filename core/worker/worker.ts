import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import { faultPoint } from '../fault.ts';
import type { TaskKind } from '../gen/aiforge/v1/task_pb.ts';
import { WorkerInfoSchema, type Assignment, type HostReadingSchema, type Slot } from '../gen/aiforge/v1/worker_pb.ts';
import type { Logger } from '../logger.ts';
import { askLoop } from './ask.ts';
import { startAttempt, type RunningAttempt } from './attempt.ts';
import { startBeat } from './beat.ts';
import { createLink } from './link.ts';
import { replayAttempt } from './replay.ts';
import { createReporter } from './report.ts';
import { createSpool, type AttemptSpool } from './spool.ts';
import { attemptKey, type AttemptRef, type TaskRunner } from './task-runner.ts';

export interface WorkerDeps {
  nats: NatsConnection;
  /** Letters, digits, `_` and `-`: it is part of subjects and paths. */
  workerId: string;
  /** `slots` says what may run side by side; one ask loop each. */
  info: MessageInitShape<typeof WorkerInfoSchema>;
  /** What the host measured last; it goes out with each beat. */
  reading?(): MessageInitShape<typeof HostReadingSchema> | undefined;
  runners: Partial<Record<TaskKind, TaskRunner>>;
  /** A folder named after the worker is made in each; the one in `work` is emptied at the start. */
  dirs: { spool: string; work: string };
  settings: { beatMs: number; fenceMs: number };
  logger: Logger;
  /** Not confirmed for `fenceMs`: what runs the attempt must stand still until it is confirmed. */
  onFenced?(ref: AttemptRef): void;
  onConfirmed?(ref: AttemptRef): void;
}

export interface Worker {
  /** Begins to beat and to ask, and sends what an earlier process left. */
  start(): Promise<void>;
  /** Asks no more; running attempts save, are given back, and their reports answered. Bound the wait, then `stop()`. */
  drain(): Promise<void>;
  /** Ends at once: runners are aborted with `lost`; what was not answered stays in the spool for the next start. */
  stop(): Promise<void>;
}

/** Time between two asks of a worker that can't write. */
const brokenSpoolMs = 10_000;

/** Reports of an attempt that never began: kept in memory alone. */
function unspooled(ref: AttemptRef): AttemptSpool {
  const nothing = async (): Promise<void> => {};
  return { ref, append: nothing, acknowledge: nothing, close: nothing, remove: nothing };
}

/** The worker's side of the worker protocol: see proto/aiforge/v1/worker.proto. Needs nothing of NATS but core messages. */
export function createWorker(deps: WorkerDeps): Worker {
  const { nats, workerId, settings, logger } = deps;
  if (!/^[A-Za-z0-9_-]+$/.test(workerId)) throw new Error(`worker id "${workerId}": letters, digits, _ and - only`);
  const bootId = randomUUID();
  const info = create(WorkerInfoSchema, deps.info);
  const link = createLink(nats, workerId);
  const workRoot = join(deps.dirs.work, workerId);
  const spool = createSpool(join(deps.dirs.spool, workerId));
  const running = new Map<string, RunningAttempt>();
  /** Attempts of earlier processes whose end is not answered yet: a gateway must not take them for lost meanwhile. */
  const replaying = new Map<string, AttemptRef>();
  const draining = new AbortController();
  const loops: Promise<void>[] = [];
  let endBeat = (): void => {};

  async function run(slot: Slot, assignment: Assignment, secret: string, sentAt: number): Promise<void> {
    const ref: AttemptRef = { taskId: assignment.taskId, attempt: assignment.attempt };
    // The id becomes a file name.
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,180}$/.test(ref.taskId)) return logger.error('a task id that is no file name; not run', { ...ref });
    faultPoint('agent.assigned');
    const begun = await spool.begin(ref, bootId).catch((error: unknown) => {
      logger.error('an attempt could not be begun', { ...ref, error });
      return undefined;
    });
    // Without a spool its end could get lost: it is given back, uncounted, and the next ask waits for the disk.
    if (begun === undefined) {
      await giveBack(unspooled(ref), 'the worker can’t write its spool');
      await setTimeout(brokenSpoolMs, undefined, { signal: draining.signal }).catch(() => {});
      return;
    }
    faultPoint('agent.begun');
    const runner = slot.kinds.includes(assignment.kind) ? deps.runners[assignment.kind] : undefined;
    if (draining.signal.aborted) return giveBack(begun, 'the worker is being shut down');
    if (runner === undefined) return giveBack(begun, `slot ${slot.name} does not run tasks of kind ${assignment.kind}`);
    const attempt = startAttempt({
      link, bootId, assignment, secret, slot, sentAt, runner, logger,
      spool: begun,
      workDir: join(workRoot, attemptKey(ref)),
      fenceMs: settings.fenceMs,
      onFenced: (fenced) => deps.onFenced?.(fenced),
      onConfirmed: (confirmed) => deps.onConfirmed?.(confirmed),
    });
    running.set(attemptKey(ref), attempt);
    // A stop may have come while the spool was being written.
    if (link.stopped.aborted) attempt.stop('lost');
    else if (draining.signal.aborted) attempt.stop('drain');
    await attempt.done;
    running.delete(attemptKey(ref));
  }

  async function giveBack(begun: AttemptSpool, reason: string): Promise<void> {
    const end = await createReporter({ link, bootId, spool: begun, logger }).finish({ case: 'returned', value: { reason } });
    if (end === 'unsent') await begun.close();
    else await begun.remove();
  }

  async function replay(): Promise<void> {
    for (const left of await spool.load()) {
      replaying.set(attemptKey(left.ref), left.ref);
      const done = replayAttempt({ link, spool, left, logger })
        .catch((error: unknown) => logger.error('an earlier attempt could not be ended', { ...left.ref, error }))
        .finally(() => replaying.delete(attemptKey(left.ref)));
      loops.push(done);
    }
  }

  let stopping: Promise<void> | undefined;
  async function stop(): Promise<void> {
    draining.abort();
    link.stop();
    for (const attempt of running.values()) attempt.stop('lost');
    endBeat();
    await Promise.all(loops);
  }

  const asks: Promise<void>[] = [];
  return {
    async start() {
      // A trainer of an earlier process may be about to be killed by its guard, and still write.
      await rm(workRoot, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
      await mkdir(workRoot, { recursive: true });
      await replay();
      // A wake-up that says something says that a gateway has started.
      const wake = nats.subscribe('work.wake', { callback: (_error, message) => (message.data.length > 0 ? link.renew() : link.nudge()) });
      const beat = startBeat({
        link, bootId, info, logger,
        beatMs: settings.beatMs,
        running: () => [...[...running.values()].map(({ ref, slot }) => ({ ...ref, slot })), ...replaying.values()],
        draining: () => draining.signal.aborted,
        reading: () => deps.reading?.(),
        onVerdict: (verdict, sentAt) => running.get(attemptKey(verdict))?.verdict(verdict, sentAt),
      });
      endBeat = () => {
        beat.stop();
        wake.unsubscribe();
      };
      for (const slot of info.slots) {
        asks.push(askLoop({ link, bootId, slot, labels: info.labels, draining: draining.signal, run: (assignment, secret, sentAt) => run(slot, assignment, secret, sentAt), logger }));
      }
      loops.push(...asks);
      logger.info('started', { workerId, bootId, slots: info.slots.map((slot) => slot.name) });
    },
    async drain() {
      draining.abort();
      for (const attempt of running.values()) attempt.stop('drain');
      // Said at once, so that a scheduler counts on this worker no more.
      link.nudge();
      await Promise.all(asks);
    },
    stop: () => (stopping ??= stop()),
  };
}
