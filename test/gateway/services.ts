import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ForgeError, invalid } from '../../core/errors.ts';
import { HealthService } from '../../core/gen/aiforge/v1/health_pb.ts';
import { JobService, JobStatus, type CreateFineTuneRequest, type WatchJobResponseSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import { silentLogger, type Logger } from '../../core/logger.ts';
import { createPort, type Port, type PortDeps } from '../../gateway/port.ts';
import { route, type CallContext, type Implementation } from '../../gateway/method.ts';

type Update = MessageInitShape<typeof WatchJobResponseSchema>;

/** The reference's example values. */
export const jobId = 'job_20240117_120000';
export const created = timestampFromDate(new Date('2024-01-17T12:00:00Z'));
export const updated = timestampFromDate(new Date('2024-01-17T12:15:00Z'));

/** What the small services of these tests were asked, and what they answer. */
export interface Probe {
  created: { request: CreateFineTuneRequest; context: CallContext }[];
  contexts: CallContext[];
  /** The feed of `WatchJob`, by default three messages. */
  watch(after: string, context: CallContext): AsyncIterable<Update>;
  /** Resolves when the last feed ended, however. */
  watchEnded: Promise<void>;
  /** What `Validate` does. */
  validate(context: CallContext): Promise<never>;
}

export async function* threeUpdates(after: string): AsyncGenerator<Update> {
  const all: Update[] = [
    { cursor: '1', type: 'state', time: created, status: JobStatus.PREPARING, attempt: 1 },
    { cursor: '2', type: 'metrics', time: created, status: JobStatus.TRAINING, attempt: 1, step: 150n, loss: 1.234, learningRate: 0.0002, etaSeconds: 10 },
    { cursor: '3', type: 'state', time: updated, status: JobStatus.COMPLETED, attempt: 1, message: 'done' },
  ];
  yield* all.filter((update) => update.cursor! > after);
}

/** A small implementation of the services, over real sockets. */
export function createServices(): { routes: PortDeps['routes']; jobs: Implementation<typeof JobService>; probe: Probe } {
  const ended = Promise.withResolvers<void>();
  const probe: Probe = {
    created: [],
    contexts: [],
    watch: (after) => threeUpdates(after),
    watchEnded: ended.promise,
    validate: () => Promise.reject(new ForgeError('wrong_state', 'The job is not completed yet')),
  };
  const known = (id: string): void => {
    if (id !== jobId) throw new ForgeError('not_found', `job_id: no such job: ${id}`, { field: 'job_id' });
  };
  const status = (id: string, message: string) => ({ jobId: id, status: JobStatus.QUEUED, message });
  const jobs: Implementation<typeof JobService> = {
    async createFineTune(request, context) {
      if (request.epochs === 0) throw invalid('epochs', 'must be at least 1');
      if (request.projectName === 'broken') throw new TypeError('secret of the inside');
      probe.created.push({ request, context });
      return status(jobId, 'Fine-tuning job queued');
    },
    async listFineTunes(request, context) {
      probe.contexts.push(context);
      return { jobs: request.status === JobStatus.TRAINING ? [{ jobId, status: JobStatus.TRAINING, progress: request.pageSize ?? 20, createdAt: created, updatedAt: updated }] : [] };
    },
    async getJob(request, context) {
      known(request.jobId);
      probe.contexts.push(context);
      return { jobId, status: JobStatus.TRAINING, progress: 45.5, currentEpoch: 2, currentStep: 150n, loss: 1.234, createdAt: created, updatedAt: updated };
    },
    async pauseFineTune({ jobId: id }) {
      known(id);
      return status(id, 'Pause requested');
    },
    async resumeFineTune({ jobId: id }) {
      return status(id, 'Resumed');
    },
    async cancelFineTune({ jobId: id }) {
      return status(id, 'Cancelled');
    },
    async listJobLogs({ jobId: id }) {
      known(id);
      return { jobId: id, attempt: 1, lines: [{ number: 1n, time: created, text: 'loading' }], lastLine: 1n };
    },
    async *watchJobLogs({ jobId: id }) {
      known(id);
      yield { cursor: '1-1', attempt: 1, line: { number: 1n, time: created, text: 'loading' } };
    },
    async deploy() {
      throw new ForgeError('still_running', 'The deployment goes on; ask GET /status again', { retryAfterSeconds: 5 });
    },
    validate: (_request, context) => probe.validate(context),
    async *watchJob(request, context) {
      known(request.jobId);
      if (!/^\d*$/.test(request.after)) throw invalid('after', 'is no cursor of this feed');
      try {
        yield* probe.watch(request.after, context);
      } finally {
        ended.resolve();
      }
    },
  };
  const health: Implementation<typeof HealthService> = {
    async getHealth() {
      return { status: 'healthy', timestamp: created, ollamaAvailable: true, inference: 'ollama' };
    },
  };
  return { routes: [route(JobService, jobs), route(HealthService, health)], jobs, probe };
}

/** A port on a free port number with these services; the caller stops it. */
export async function startPort(options: Partial<PortDeps> = {}, logger: Logger = silentLogger): Promise<{ url: string; port: number; server: Port; probe: Probe }> {
  const { routes, probe } = createServices();
  const server = createPort({ routes, raw: [], websocket: (_request, socket) => socket.destroy(), logger, ...options });
  const { port } = await server.listen('127.0.0.1', 0);
  return { url: `http://127.0.0.1:${port}`, port, server, probe };
}
