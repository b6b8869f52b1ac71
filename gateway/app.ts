import type { NatsConnection } from '@nats-io/transport-node';
import { allAggregates } from '../core/aggregates.ts';
import { createFileBlobStore } from '../core/blobs/file-blob-store.ts';
import { createPartialUploads } from '../core/blobs/partial-uploads.ts';
import { sweepTemporary } from '../core/blobs/sweep.ts';
import { dataPaths, type Config } from '../core/config.ts';
import { AccessService } from '../core/gen/aiforge/v1/access_pb.ts';
import { FineTuningService } from '../core/gen/aiforge/v1/fine_tuning_pb.ts';
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
import { foldSchema } from '../core/store/snapshot/fold-schema.ts';
import { keepSnapshot, openSnapshot } from '../core/store/snapshot/keep-snapshot.ts';
import { workersOf } from '../core/task/state.ts';
import { taskAggregate } from '../core/task/task.ts';
import { createBackendModels } from './backend-models.ts';
import { blobsPath, createBlobHandler } from './blobs/handler.ts';
import { createGate } from './access/gate.ts';
import { createRouteTable } from './access/route-table.ts';
import { createAccessService } from './access/service.ts';
import { createTickets } from './access/tickets.ts';
import { keepMark, readMark } from '../core/store/mark-file.ts';
import { createDatasetService } from './datasets/service.ts';
import { createDeleteModel } from './delete-model.ts';
import { createDeployer } from './deployer.ts';
import { createDocsHandler } from './docs/handler.ts';
import { createFeeds } from './feed/feeds.ts';
import { NewestMetrics } from './feed/newest-metrics.ts';
import { createTelemetryStream } from './feed/telemetry-stream.ts';
import { createFileService } from './files/service.ts';
import { createAutoDeploy } from './fine-tuning/auto-deploy.ts';
import { createResultFiles } from './fine-tuning/result-files.ts';
import { createServedModels } from './fine-tuning/served-models.ts';
import { createFineTuningService } from './fine-tuning/service.ts';
import { createFleetService } from './fleet/service.ts';
import { createForward } from './forward.ts';
import { createGuardianClient } from './guardian-client.ts';
import { createHealthService } from './health.ts';
import { createInference } from './inference/create-inference.ts';
import { limitFirstByte } from './inference/first-byte.ts';
import { createOllamaBackend } from './inference/ollama.ts';
import { createInferenceService } from './inference/service.ts';
import { createJobService } from './job-service.ts';
import { createRunnableCheck } from './jobs/runnable.ts';
import { createResolve } from './jobs/resolve.ts';
import { createJobLogs } from './logs/job-logs.ts';
import { createSealLog } from './logs/seal.ts';
import { route } from './method.ts';
import { createMetricsHandler } from './metrics/handler.ts';
import { createInferenceMetrics } from './metrics/inference.ts';
import { processText } from './metrics/process.ts';
import { createRequestMetrics } from './metrics/requests.ts';
import { stateText } from './metrics/state.ts';
import { createModelDirectory } from './models.ts';
import { createInferenceRoutes } from './openai/inference-routes.ts';
import { createFileRoutes } from './openai/files/file-routes.ts';
import { createFineTuningRoutes } from './openai/fine-tuning/job-routes.ts';
import { createOpenAiLane } from './openai/lane.ts';
import { createModelRoutes } from './openai/model-routes.ts';
import { createOpenApiDocument } from './openapi/document.ts';
import { createOpenApiHandler } from './openapi/handler.ts';
import { serveSteps } from './pipeline/serve-steps.ts';
import { createPort } from './port.ts';
import { defaultLimits } from './port/limits.ts';
import { createJobFolders } from './projects/job-folders.ts';
import { createProjectService } from './projects/service.ts';
import { createRetrainService } from './retrain/service.ts';
import { createFollowUps } from './scheduler/followups.ts';
import { serveStateDigests } from './state-digests.ts';
import { createUpstreamDirectory } from './upstream-models.ts';
import { readVersion } from './version.ts';
import { createWebhook } from './webhook/handler.ts';
import { createTrainingSocket } from './websocket/training.ts';
import { Roster } from './workers/roster.ts';
import { serveWorkers, wakeSubject } from './workers/serve.ts';

/** What is left of uploads goes after a day. */
const sweepEveryMs = 3_600_000;

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
      const store = await createJetStreamStore(connection, { mark: await readMark(paths.mark), replicas: config.natsReplicas });
      const mark = keepMark(paths.mark, store.mark, logger);
      stops.push(() => mark.stop());
      const telemetry = await createTelemetryStream(connection, config.natsReplicas);
      const place = { path: paths.snapshot, schema: await foldSchema(), logger };
      const snapshot = await openSnapshot({ ...place, kinds: allAggregates.map(({ name }) => name), message: store.message });
      const ledger = new Ledger({ store, aggregates: allAggregates, logger, snapshot });
      stops.push(() => ledger.stop());
      await ledger.start();
      const snapshots = keepSnapshot({ ...place, ledger });
      stops.push(() => snapshots.stop());
      const states = serveStateDigests({ connection, ledger, logger });
      stops.push(() => states.stop());
      const metrics = new NewestMetrics(telemetry, (taskId) => workersOf(ledger.head(taskAggregate, taskId).state), logger);
      stops.push(() => metrics.stop());
      await metrics.start();

      const blobs = createFileBlobStore(paths.blobs);
      const sweep = async (): Promise<void> => {
        for (const problem of await sweepTemporary(paths.blobs)) logger.warn('what is left of an upload could not be removed', { problem });
      };
      await sweep();
      const sweeping = setInterval(() => void sweep(), sweepEveryMs);
      stops.push(async () => clearInterval(sweeping));
      const inferenceMetrics = createInferenceMetrics();
      const backend = inferenceMetrics.measured(limitFirstByte(await createInference(config, logger), config.firstByteMs));
      stops.push(() => backend.stop());
      const ollama = createOllamaBackend(config.ollamaUrl);
      stops.push(() => ollama.stop());
      const upstream = backend.kind === 'upstream' ? createUpstreamDirectory(backend) : undefined;
      await upstream?.refresh();
      const models = upstream ?? createModelDirectory(ledger, (kind) => config.inference === 'auto' || kind === backend.kind, createBackendModels(backend));

      const roster = new Roster();
      const workers = serveWorkers({ connection, ledger, blobs, roster, sealLog: createSealLog({ telemetry, blobs, logger }), config, logger });
      stops.push(() => workers.stop());
      const steps = serveSteps({ connection, ledger, logger });
      stops.push(() => steps.stop());
      const followUps = createFollowUps({ ledger, logger });
      stops.push(() => followUps.stop());
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
      const logs = createJobLogs({ ledger, telemetry, blobs });
      const jobs = createJobService({ ledger, blobs, backend, feeds, logs, metrics, resolve, runnable, jobsDir: paths.jobs, waitMs: config.waitMs });
      const retrain = createRetrainService({ ledger, store, blobs, forward, watchJob: feeds.watch });
      const served = createServedModels({ backend, models });
      const autoDeploy = createAutoDeploy({ ledger, served, logger });
      stops.push(() => autoDeploy.stop());
      const results = createResultFiles({ ledger, blobs });
      const fineTuning = createFineTuningService({ ledger, store, feeds, metrics, served, results, runnable });
      const openAi = [
        ...createInferenceRoutes({ backend: () => backend, models, bodyBytes: config.maxBodyBytes }),
        ...createModelRoutes(models, createDeleteModel({ ledger, backend, models })),
        ...createFileRoutes(createFileService({ ledger, blobs, results })),
        ...createFineTuningRoutes(fineTuning),
      ];
      const lane = createOpenAiLane({ routes: openAi, logger });
      const training = createTrainingSocket({ limits: { clients: config.maxRequests }, followJob: feeds.follow, watchJobLogs: jobs.watchJobLogs, watchRetrain: retrain.watchRetrain, logger });
      const tickets = await createTickets(connection, { replicas: config.natsReplicas });
      const routes = [
        route(HealthService, health),
        route(JobService, jobs),
        route(FineTuningService, fineTuning),
        route(InferenceService, createInferenceService({ backend: () => backend, models })),
        route(DatasetService, createDatasetService({ ledger, blobs, metrics, resolve })),
        route(ProjectService, createProjectService({ ledger, backend, forward })),
        route(RetrainService, retrain),
        route(FleetService, createFleetService({ ledger, roster, metrics, lossMs: config.lossMs })),
        route(AccessService, createAccessService({ ledger, tickets })),
      ];
      const gate = createGate({
        keys: config.apiKeys,
        ledger,
        tickets,
        routes: createRouteTable(routes, lane),
        logger,
        limits: { requests: config.maxRequests, inference: config.maxInference, inferencePerKey: config.maxInferencePerKey, requestsPerKey: config.maxRequestsPerKey },
      });
      stops.push(async () => gate.stop());
      const openApi = createOpenApiHandler(createOpenApiDocument({ routes, openAi, version: readVersion() }));
      const requestMetrics = createRequestMetrics();
      const metricsHandler = createMetricsHandler([requestMetrics.text, inferenceMetrics.text, () => stateText({ ledger, store, roster }), processText], logger);
      const blobHandler = createBlobHandler({ ledger, blobs, parts: createPartialUploads(paths.blobs), maxBytes: config.maxBlobBytes, logger });
      const port = createPort({
        routes,
        gate,
        limits: { bodyBytes: Math.min(defaultLimits.bodyBytes, config.maxBodyBytes), connections: Math.max(defaultLimits.connections, 2 * config.maxRequests) },
        hosts: config.allowedHosts,
        origins: config.allowedOrigins,
        raw: [lane.handle, openApi, createDocsHandler({ logger }), metricsHandler, createWebhook({ guardian, secret: config.webhookSecret, logger }), blobHandler],
        uploads: (path) => path === '/v1/files' || path.startsWith(blobsPath),
        websocket: training.handle,
        metrics: requestMetrics,
        health: async () => ((await health.serving()) ? 'SERVING' : 'NOT_SERVING'),
        logger,
      });
      stops.push(() => port.stop(), () => training.stop());
      await deployer.start();
      const listening = await port.listen(config.host, config.port);
      // These look at all that ever was, a little at a time: nobody need wait for that.
      followUps.start();
      autoDeploy.start();
      ledger.unpack();
      return listening;
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
