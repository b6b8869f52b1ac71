import type { NatsConnection } from '@nats-io/transport-node';
import { allAggregates } from '../core/aggregates.ts';
import { createFileBlobStore } from '../core/blobs/file-blob-store.ts';
import { sweepTemporary } from '../core/blobs/sweep.ts';
import { dataPaths, type Config } from '../core/config.ts';
import { HealthService } from '../core/gen/aiforge/v1/health_pb.ts';
import { DatasetService } from '../core/gen/aiforge/v1/dataset_pb.ts';
import { FleetService } from '../core/gen/aiforge/v1/fleet_pb.ts';
import { InferenceService } from '../core/gen/aiforge/v1/inference_pb.ts';
import { JobService } from '../core/gen/aiforge/v1/job_pb.ts';
import { ProjectService } from '../core/gen/aiforge/v1/project_pb.ts';
import { RetrainService } from '../core/gen/aiforge/v1/retrain_pb.ts';
import type { Logger } from '../core/logger.ts';
import { createJetStreamStore } from '../core/store/jetstream-store.ts';
import { Ledger } from '../core/store/ledger.ts';
import { keepMark, readMark } from '../core/store/mark-file.ts';
import { createDatasetService } from './datasets/service.ts';
import { createDeployer } from './deployer.ts';
import { createFeeds } from './feed/feeds.ts';
import { NewestMetrics } from './feed/newest-metrics.ts';
import { createTelemetryStream } from './feed/telemetry-stream.ts';
import { createFleetService } from './fleet/service.ts';
import { createForward } from './forward.ts';
import { createGuardianClient } from './guardian-client.ts';
import { createHealthService } from './health.ts';
import { createInference } from './inference/create-inference.ts';
import { createOllamaBackend } from './inference/ollama.ts';
import { createInferenceService } from './inference/service.ts';
import { createJobService } from './job-service.ts';
import { createRunnableCheck } from './jobs/runnable.ts';
import { createResolve } from './jobs/resolve.ts';
import { route } from './method.ts';
import { createModelDirectory } from './models.ts';
import { createChatRoutes } from './openai/chat-routes.ts';
import { createOpenAiLane } from './openai/lane.ts';
import { createModelRoutes } from './openai/model-routes.ts';
import { serveSteps } from './pipeline/serve-steps.ts';
import { createPort } from './port.ts';
import { createJobFolders } from './projects/job-folders.ts';
import { createProjectService } from './projects/service.ts';
import { createRetrainService } from './retrain/service.ts';
import { createFollowUps } from './scheduler/followups.ts';
import { serveStateDigests } from './state-digests.ts';
import { createUpstreamDirectory } from './upstream-models.ts';
import { createWebhook } from './webhook/handler.ts';
import { createTrainingSocket } from './websocket/training.ts';
import { Roster } from './workers/roster.ts';
import { serveWorkers, wakeSubject } from './workers/serve.ts';

export interface Gateway {
  /** Resolves with where it listens, once it can take requests. */
  start(): Promise<{ host: string; port: number }>;
  /** Refuses new requests, lets running ones end, closes everything. The same promise each time. */
  stop(): Promise<void>;
}

/** Puts the gateway together. Nothing happens before `start`. */
export function createGateway(deps: { config: Config; connection: NatsConnection; logger: Logger }): Gateway {
  const { config, connection, logger } = deps;
  const stops: (() => Promise<void>)[] = [];
  let stopped: Promise<void> | undefined;

  return {
    async start() {
      const paths = dataPaths(config.dataDir);
      const store = await createJetStreamStore(connection, { mark: await readMark(paths.mark) });
      const mark = keepMark(paths.mark, store.mark, logger);
      stops.push(() => mark.stop());
      const telemetry = await createTelemetryStream(connection);
      const ledger = new Ledger({ store, aggregates: allAggregates, logger });
      stops.push(() => ledger.stop());
      await ledger.start();
      const states = serveStateDigests({ connection, ledger, logger });
      stops.push(() => states.stop());
      const metrics = new NewestMetrics(telemetry, logger);
      stops.push(() => metrics.stop());
      await metrics.start();

      const blobs = createFileBlobStore(paths.blobs);
      await sweepTemporary(paths.blobs);
      const backend = await createInference(config, logger);
      stops.push(() => backend.stop());
      const ollama = createOllamaBackend(config.ollamaUrl);
      stops.push(() => ollama.stop());
      const upstream = backend.kind === 'upstream' ? createUpstreamDirectory(backend) : undefined;
      await upstream?.refresh();
      const models = upstream ?? createModelDirectory(ledger, (kind) => config.inference === 'auto' || kind === backend.kind);

      const roster = new Roster();
      const workers = serveWorkers({ connection, ledger, blobs, roster, config, logger });
      stops.push(() => workers.stop());
      const steps = serveSteps({ connection, ledger, logger });
      stops.push(() => steps.stop());
      const followUps = createFollowUps({ ledger, logger });
      stops.push(() => followUps.stop());
      followUps.start();
      const folders = createJobFolders({ ledger, jobsDir: paths.jobs, logger });
      stops.push(() => folders.stop());
      folders.start();
      const deployer = createDeployer({ connection, ledger, blobs, backend, config, logger });
      stops.push(() => deployer.stop());

      const health = createHealthService({ connection, problem: store.problem, backend, roster, ollamaAvailable: (signal) => ollama.available(signal) });
      const feeds = createFeeds({ ledger, store, telemetry, logger });
      const guardian = createGuardianClient(connection);
      const forward = createForward(guardian, ledger);
      const resolve = createResolve(guardian);
      const runnable = createRunnableCheck({ ledger, roster, wake: () => connection.publish(wakeSubject) });
      const jobs = createJobService({ ledger, blobs, backend, feeds, metrics, resolve, runnable, jobsDir: paths.jobs, waitMs: config.waitMs });
      const retrain = createRetrainService({ ledger, store, blobs, forward, watchJob: feeds.watch });
      const lane = createOpenAiLane({ routes: [...createChatRoutes({ backend: () => backend, models }), ...createModelRoutes(models)], logger });
      const training = createTrainingSocket({ watchJob: jobs.watchJob, watchRetrain: retrain.watchRetrain, logger });
      const port = createPort({
        routes: [
          route(HealthService, health),
          route(JobService, jobs),
          route(InferenceService, createInferenceService({ backend: () => backend, models })),
          route(DatasetService, createDatasetService({ ledger, blobs, metrics, resolve })),
          route(ProjectService, createProjectService({ ledger, backend, forward })),
          route(RetrainService, retrain),
          route(FleetService, createFleetService({ ledger, roster, metrics, lossMs: config.lossMs })),
        ],
        raw: [lane.handle, createWebhook({ guardian, secret: config.webhookSecret, logger })],
        websocket: training.handle,
        health: async () => ((await health.serving()) ? 'SERVING' : 'NOT_SERVING'),
        logger,
      });
      stops.push(() => port.stop(), () => training.stop());
      await deployer.start();
      return port.listen(config.host, config.port);
    },
    stop() {
      // What was started last is stopped first: the port refuses before what it stands on goes.
      stopped ??= (async () => {
        for (const stop of stops.reverse()) {
          await stop().catch((error: unknown) => logger.warn('a part did not stop cleanly', { error }));
        }
      })();
      return stopped;
    },
  };
}
