import { hostname, totalmem, cpus } from 'node:os';
import type { NatsConnection } from '@nats-io/transport-node';
import { createFileBlobStore } from '../core/blobs/file-blob-store.ts';
import { dataPaths, type Config } from '../core/config.ts';
import { TaskKind } from '../core/gen/aiforge/v1/task_pb.ts';
import type { Logger } from '../core/logger.ts';
import { createWorker } from '../core/worker/worker.ts';
import { answerResolve } from './answer.ts';
import { createExtractRunner } from './extract.ts';
import { resolveTimeoutMs } from './resolve.ts';

export const guardianId = 'guardian';

export interface Guardian {
  start(): Promise<void>;
  /** Gives back what runs, answers what was asked, and ends; by force after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

/** Puts the guardian together: it answers which commit a project is at, and runs `extract` tasks. */
export function createGuardian({ config, nats, logger }: { config: Readonly<Config>; nats: NatsConnection; logger: Logger }): Guardian {
  const paths = dataPaths(config.dataDir);
  const worker = createWorker({
    nats,
    logger,
    workerId: guardianId,
    info: {
      host: hostname(),
      cpus: cpus().length,
      memoryBytes: BigInt(totalmem()),
      slots: [{ name: 'extract', kinds: [TaskKind.EXTRACT] }],
      versions: { node: process.version },
    },
    runners: { [TaskKind.EXTRACT]: createExtractRunner({ blobs: createFileBlobStore(paths.blobs), projectRoots: config.projectRoots }) },
    dirs: { spool: paths.spool, work: paths.work },
    settings: { beatMs: config.beatMs, fenceMs: config.fenceMs },
  });
  let stopAnswers = async (): Promise<void> => {};
  let stopping: Promise<void> | undefined;

  async function stop(deadlineMs: number): Promise<void> {
    const timer = new Promise<void>((resolve) => setTimeout(resolve, deadlineMs).unref());
    await Promise.race([Promise.all([stopAnswers(), worker.drain()]), timer]);
    await Promise.race([worker.stop(), timer]);
  }
  return {
    async start() {
      stopAnswers = answerResolve(nats, { projectRoots: config.projectRoots, timeoutMs: resolveTimeoutMs }, logger);
      await worker.start();
      // The server has the subscriptions before anybody is told that the guardian is there.
      await nats.flush();
    },
    stop: (deadlineMs) => (stopping ??= stop(deadlineMs)),
  };
}
