import { hostname, totalmem, cpus } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { baseModelAggregate } from '../core/base-model/base-model.ts';
import { createFileBlobStore } from '../core/blobs/file-blob-store.ts';
import { createBlobGateway } from '../core/blobs/http/http-blob-store.ts';
import { dataPaths, type Config } from '../core/config.ts';
import { fileAggregate } from '../core/file/file.ts';
import { NoticePushRequestSchema, NoticePushResponseSchema } from '../core/gen/aiforge/v1/guardian_pb.ts';
import { ProjectService } from '../core/gen/aiforge/v1/project_pb.ts';
import { RetrainService } from '../core/gen/aiforge/v1/retrain_pb.ts';
import { TaskKind } from '../core/gen/aiforge/v1/task_pb.ts';
import type { Logger } from '../core/logger.ts';
import { modelAggregate } from '../core/model/model.ts';
import { guardianApiPrefix } from '../core/nats.ts';
import { pipelineAggregate } from '../core/pipeline/pipeline.ts';
import { projectAggregate } from '../core/project/project.ts';
import { createJetStreamStore } from '../core/store/jetstream-store.ts';
import { Ledger } from '../core/store/ledger.ts';
import { readMark } from '../core/store/mark-file.ts';
import { taskAggregate } from '../core/task/task.ts';
import type { TaskRunner } from '../core/worker/task-runner.ts';
import { createWorker } from '../core/worker/worker.ts';
import { answerCalls, call } from './calls.ts';
import { createExtractRunner } from './extract.ts';
import { createFileSweeper } from './files/sweeper.ts';
import { createMirrors } from './git/mirror.ts';
import { createDriver } from './pipeline/driver.ts';
import { judge } from './pipeline/gate-report.ts';
import { validateData } from './pipeline/validate-data.ts';
import { deleteProject } from './projects/delete.ts';
import { registerProject } from './projects/register.ts';
import { createSweeper } from './projects/sweeper.ts';
import { resolveCall } from './resolve-call.ts';
import { controlPipeline, type ControlVerb } from './retrain/control.ts';
import type { LookDeps } from './retrain/look.ts';
import { monitorProject } from './retrain/monitor-call.ts';
import { retrain } from './retrain/retrain.ts';
import { createDaemon } from './watch/daemon.ts';

export const guardianId = 'guardian';
/** What a call may take besides fetching a remote: reading a large repository. */
const readMs = 120_000;
/** Whoever waits for a blob tries again by itself. */
const blobsPatienceMs = 60_000;

export interface Guardian {
  start(): Promise<void>;
  /** Gives back what runs, answers what was asked, and ends; by force after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

export interface GuardianDeps {
  config: Readonly<Config>;
  nats: NatsConnection;
  logger: Logger;
  /** Instead of the one that makes datasets, for tests of what follows a bad one. */
  extract?: (own: TaskRunner) => TaskRunner;
}

/** Puts the guardian together: it watches, decides, drives pipelines, and makes datasets. All it knows is events. */
export function createGuardian({ config, nats, logger, extract = (own) => own }: GuardianDeps): Guardian {
  const paths = dataPaths(config.dataDir);
  const gateway = config.blobsUrl === '' ? undefined : createBlobGateway({ url: config.blobsUrl, cacheRoot: paths.blobCache, cacheMaxBytes: config.blobsCacheBytes });
  // Most of what it does with blobs belongs to no attempt, so that it has a key.
  const blobs = gateway?.as(config.blobsKey, { patienceMs: blobsPatienceMs }) ?? createFileBlobStore(paths.blobs);
  const mirrors = createMirrors({ directory: paths.mirrors, maxBytes: config.mirrorMaxBytes, timeoutMs: config.mirrorTimeoutMs, logger });
  const stops: (() => Promise<void>)[] = gateway === undefined ? [] : [gateway.close];
  let stopping: Promise<void> | undefined;

  async function start(): Promise<void> {
    const store = await createJetStreamStore(nats, { mark: await readMark(paths.mark), apiPrefix: config.natsCredentials === '' ? undefined : guardianApiPrefix });
    const ledger = new Ledger({ store, aggregates: [taskAggregate, modelAggregate, baseModelAggregate, projectAggregate, pipelineAggregate, fileAggregate] as never, logger });
    stops.push(() => ledger.stop());
    await ledger.start();
    const deps: LookDeps = { ledger, mirrors, projectRoots: config.projectRoots };

    const daemon = createDaemon({ ...deps, config, logger });
    stops.push(() => daemon.stop());
    const driver = createDriver({
      ledger, nats, logger,
      validate: (request, signal) => validateData(request, blobs, signal),
      gate: (pipeline) => judge(pipeline, blobs, join(paths.work, 'guardian')),
      onEnded: (project) => daemon.notice(project, 'ended'),
    });
    stops.push(() => driver.stop());
    const sweeper = createSweeper({ ledger, store, blobs, mirrors, logger });
    stops.push(() => sweeper.stop());
    const fileSweeper = createFileSweeper({ ledger, blobs, logger });
    stops.push(() => fileSweeper.stop());

    const control = (verb: ControlVerb) => ({ jobId }: { jobId: string }) => controlPipeline(ledger, jobId, verb);
    const { method: retraining } = RetrainService;
    const { method: projects } = ProjectService;
    const calls = [
      resolveCall(deps),
      call(retraining.retrain, (request, context) => retrain(request, context.idempotencySha256, deps, context.signal)),
      call(retraining.monitorRetrain, (request, { signal }) => monitorProject(request, deps, signal)),
      call(retraining.pauseRetrain, control('pause')),
      call(retraining.resumeRetrain, control('resume')),
      call(retraining.cancelRetrain, control('cancel')),
      call(retraining.approveRetrain, control('approve')),
      call(projects.createProject, (request, { signal }) => registerProject(request, deps, signal)),
      call(projects.deleteProject, ({ name }, { signal }) => deleteProject(deps, name, signal)),
      call({ name: 'NoticePush', input: NoticePushRequestSchema, output: NoticePushResponseSchema }, async ({ projectName }) => daemon.noticePush(projectName)),
    ];
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
      runners: { [TaskKind.EXTRACT]: extract(createExtractRunner({ blobs, projectRoots: config.projectRoots, mirrors, ledger })) },
      dirs: { spool: paths.spool, work: paths.work },
      settings: { beatMs: config.beatMs, fenceMs: config.fenceMs },
    });
    // What can't be given back in time is ended: a worker that only waits would keep the process.
    stops.push(() => worker.stop(), () => worker.drain());
    stops.push(answerCalls(nats, calls, logger, config.mirrorTimeoutMs + readMs));
    driver.start();
    sweeper.start();
    fileSweeper.start();
    daemon.start();
    await worker.start();
    // The server has the subscriptions before anybody is told that the guardian is there.
    await nats.flush();
  }

  async function stop(deadlineMs: number): Promise<void> {
    const timer = new Promise<void>((resolve) => setTimeout(resolve, deadlineMs).unref());
    // What was started last is stopped first.
    for (const one of stops.reverse()) await Promise.race([one().catch((error: unknown) => logger.warn('a part did not stop cleanly', { error })), timer]);
  }
  return { start, stop: (deadlineMs) => (stopping ??= stop(deadlineMs)) };
}
