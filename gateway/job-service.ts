import type { BlobStore } from '../core/blobs/blob-store.ts';
import type { JobService } from '../core/gen/aiforge/v1/job_pb.ts';
import type { Ledger } from '../core/store/ledger.ts';
import type { NewestMetrics } from './feed/newest-metrics.ts';
import type { createFeeds } from './feed/feeds.ts';
import type { InferenceBackend } from './inference/backend.ts';
import { control } from './jobs/control.ts';
import { deploy } from './jobs/deploy.ts';
import { findJob, listJobs, viewJob } from './jobs/query.ts';
import type { Resolve } from './jobs/resolve.ts';
import type { RunnableCheck } from './jobs/runnable.ts';
import { submit } from './jobs/submit.ts';
import { validate } from './jobs/validate.ts';
import type { JobLogs } from './logs/job-logs.ts';
import type { Implementation } from './method.ts';

interface Deps {
  ledger: Ledger;
  blobs: BlobStore;
  backend: InferenceBackend;
  feeds: ReturnType<typeof createFeeds>;
  logs: JobLogs;
  metrics: NewestMetrics;
  resolve: Resolve;
  runnable: RunnableCheck;
  jobsDir: string;
  waitMs: number;
}

/** The methods of JobService over the capabilities in jobs/ and feed/. */
export function createJobService(deps: Deps): Implementation<typeof JobService> {
  const { ledger, feeds, metrics } = deps;
  const measured = (jobId: string) => metrics.get(jobId);
  return {
    createFineTune: (request, context) => submit(deps, request, context),
    listFineTunes: async (request) => listJobs(ledger, measured, request),
    async getJob({ jobId }) {
      const job = await findJob(ledger, jobId);
      const older = job.status === 'completed' ? undefined : metrics.complete(jobId);
      if (older !== undefined) await older;
      return viewJob(job, measured(jobId), ledger);
    },
    pauseFineTune: ({ jobId }) => control(ledger, jobId, 'pause'),
    resumeFineTune: ({ jobId }) => control(ledger, jobId, 'resume'),
    cancelFineTune: ({ jobId }) => control(ledger, jobId, 'cancel'),
    deploy: ({ jobId }, context) => deploy(deps, jobId, context.signal),
    validate: ({ jobId }, context) => validate(deps, jobId, context.signal),
    listJobLogs: (request) => deps.logs.list(request),
    watchJobLogs: (request, context) => deps.logs.watch(request, context.signal),
    watchJob: ({ jobId, after }, context) => feeds.watch(jobId, after, context.signal),
  };
}
