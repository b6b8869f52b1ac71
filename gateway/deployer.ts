import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { NatsConnection } from '@nats-io/transport-node';
import type { BlobStore } from '../core/blobs/blob-store.ts';
import { getTree } from '../core/blobs/tree.ts';
import { dataPaths, type Config } from '../core/config.ts';
import { isForgeError } from '../core/errors.ts';
import { TaskKind } from '../core/gen/aiforge/v1/task_pb.ts';
import type { Logger } from '../core/logger.ts';
import { modelAggregate, type ModelCommand } from '../core/model/model.ts';
import type { Ledger } from '../core/store/ledger.ts';
import { TaskFailure, type TaskContext } from '../core/worker/task-runner.ts';
import { createWorker, type Worker } from '../core/worker/worker.ts';
import type { InferenceBackend } from './inference/backend.ts';
import { jobPaths } from './jobs/paths.ts';

interface Deps {
  connection: NatsConnection;
  ledger: Ledger;
  blobs: BlobStore;
  backend: InferenceBackend;
  config: Config;
  logger: Logger;
}

/** The worker inside the gateway that runs `deploy` tasks: it alone reaches the backend and the models' events. */
export function createDeployer({ connection, ledger, blobs, backend, config, logger }: Deps): Worker {
  const paths = dataPaths(config.dataDir);

  async function run(context: TaskContext) {
    const { spec, inputs, taskId } = context.assignment;
    if (spec?.kind.case !== 'deploy' || inputs === undefined) throw new TaskFailure('bad_config', 'the task is no deployment', false);
    const { jobId, alias } = spec.kind.value;
    const version = `${inputs.project}:${jobId}`;
    const execute = (command: ModelCommand) => ledger.execute(modelAggregate, inputs.project, command, { commandId: randomUUID(), actor: 'gateway', time: Date.now() });
    try {
      const dir = jobPaths(paths.jobs, jobId).export;
      await getTree(blobs, inputs.exportDigest, dir);
      const created = await backend.create(version, { dir, ggufDigest: inputs.ggufDigest }, context.signal);
      await execute({ type: 'create-version', jobId, ggufDigest: inputs.ggufDigest, backend: backend.kind, backendDigest: created.digest });
      const { state } = await execute({ type: 'promote', jobId, taskId });
      const promoted = state.target === jobId;
      logger.info(promoted ? 'the alias points to a new version' : 'a version is there; a later deployment moves the alias', { alias, version });
      return { kind: { case: 'deploy' as const, value: { version, alias, backend: backend.kind, ggufDigest: inputs.ggufDigest, backendDigest: created.digest, promoted } } };
    } catch (error) {
      if (context.signal.aborted) return 'stopped' as const;
      if (isForgeError(error)) throw new TaskFailure(error.code, error.message, error.code === 'unavailable');
      throw error;
    }
  }

  return createWorker({
    nats: connection,
    workerId: `deploy-${config.workerId}`,
    info: { host: hostname(), slots: [{ name: 'deploy', kinds: [TaskKind.DEPLOY] }] },
    runners: { [TaskKind.DEPLOY]: run },
    dirs: { spool: paths.spool, work: paths.work },
    settings: { beatMs: config.beatMs, fenceMs: config.fenceMs },
    logger,
  });
}
