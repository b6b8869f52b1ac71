import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import { createFileBlobStore } from '../core/blobs/file-blob-store.ts';
import { createBlobGateway } from '../core/blobs/http/http-blob-store.ts';
import { dataPaths } from '../core/config.ts';
import { TaskKind } from '../core/gen/aiforge/v1/task_pb.ts';
import type { HostReadingSchema, WorkerInfoSchema } from '../core/gen/aiforge/v1/worker_pb.ts';
import type { Logger } from '../core/logger.ts';
import { createLink } from '../core/worker/link.ts';
import { createWorker, type Worker } from '../core/worker/worker.ts';
import { createBaseModels, type StarterSettings } from './base-model.ts';
import type { RunnerDeps, TrainerSettings } from './deps.ts';
import type { LlamaTools } from './llama-tools.ts';
import { pinStarter } from './pin.ts';
import { createChildren } from './process/children.ts';
import { createEvaluateRunner } from './runners/evaluate.ts';
import { createExportRunner } from './runners/export.ts';
import { createTrainRunner } from './runners/train.ts';

export interface AgentDeps {
  nats: NatsConnection;
  workerId: string;
  dataDir: string;
  /** Of the gateway that has the blobs, and what may be kept of them here; absent: they lie in the data directory. */
  blobs?: { url: string; cacheBytes: number } | undefined;
  info: MessageInitShape<typeof WorkerInfoSchema>;
  /** What the host measured last. */
  reading?(): MessageInitShape<typeof HostReadingSchema> | undefined;
  settings: { beatMs: number; fenceMs: number };
  trainer: TrainerSettings;
  starter: StarterSettings;
  tools: LlamaTools;
  logger: Logger;
}

/** A host's agent: a worker whose runners call the trainer. It sends commands and appends no event. */
export function createAgent(deps: AgentDeps): Worker {
  const paths = dataPaths(deps.dataDir);
  const children = createChildren();
  const { blobsFor, close } = openBlobs(deps);
  const runnerDeps: RunnerDeps = { trainer: deps.trainer, blobsFor, children, logger: deps.logger };
  const link = createLink(deps.nats, deps.workerId);
  const baseModels = createBaseModels(runnerDeps, deps.starter, (made, signal) => pinStarter(link, made, signal));
  const worker = createWorker({
    nats: deps.nats,
    workerId: deps.workerId,
    info: deps.info,
    reading: () => deps.reading?.(),
    runners: {
      [TaskKind.TRAIN]: createTrainRunner(runnerDeps, baseModels),
      [TaskKind.EVALUATE]: createEvaluateRunner(runnerDeps, baseModels),
      [TaskKind.EXPORT]: createExportRunner(runnerDeps, baseModels, deps.tools),
    },
    dirs: { spool: paths.spool, work: paths.work },
    settings: deps.settings,
    logger: deps.logger,
    onFenced: children.fence,
    onConfirmed: children.release,
  });
  return {
    start: worker.start,
    drain: worker.drain,
    async stop() {
      link.stop();
      await worker.stop();
      await close();
    },
  };
}

/** Each attempt reaches a gateway's blobs by its own token, for as long as it is wanted. */
function openBlobs({ dataDir, blobs, logger }: Pick<AgentDeps, 'dataDir' | 'blobs' | 'logger'>): Pick<RunnerDeps, 'blobsFor'> & { close(): Promise<void> } {
  const paths = dataPaths(dataDir);
  if (blobs === undefined) {
    const store = createFileBlobStore(paths.blobs);
    return { blobsFor: () => store, close: async () => {} };
  }
  const gateway = createBlobGateway({ url: blobs.url, cacheRoot: paths.blobCache, cacheMaxBytes: blobs.cacheBytes, logger });
  // A gateway that is away loses no step: what is to be stored waits for it.
  return { blobsFor: ({ token, urgent }) => gateway.as(token, { patienceMs: Infinity, signal: urgent }), close: gateway.close };
}

/** npm's packages, beside which the agent lies. */
export const nodeModules = join(import.meta.dirname, '..', 'node_modules');
