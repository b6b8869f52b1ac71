import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { RetrainService, PipelineStatus } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { findPipeline } from '../../core/pipeline/find.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import type { Pipeline } from '../../core/pipeline/state.ts';
import { wirePipelineStatus } from '../../core/pipeline/wire-status.ts';
import type { Forward } from '../forward.ts';
import type { Implementation } from '../method.ts';
import { pageOf } from '../page.ts';
import { listDecisions } from './decisions.ts';
import { retrainReport } from './report.ts';
import { viewPipeline } from './view.ts';
import { watchPipeline, type PipelineWatchDeps } from './watch.ts';

interface Deps extends PipelineWatchDeps {
  blobs: BlobStore;
  forward: Forward;
}

/** What changes something, or needs the repository, the guardian answers; the rest is read from the fold. */
export function createRetrainService(deps: Deps): Implementation<typeof RetrainService> {
  const { ledger, blobs, forward } = deps;
  const { method } = RetrainService;
  return {
    retrain: forward(method.retrain),
    monitorRetrain: forward(method.monitorRetrain),
    pauseRetrain: forward(method.pauseRetrain),
    resumeRetrain: forward(method.resumeRetrain),
    cancelRetrain: forward(method.cancelRetrain),
    approveRetrain: forward(method.approveRetrain),
    async listRetrains(request) {
      const pipelines: Pipeline[] = [];
      for (const [, pipeline] of ledger.all(pipelineAggregate)) if (pipeline.status !== 'none') pipelines.push(pipeline);
      const wanted = (pipeline: Pipeline): boolean =>
        (request.status === undefined || request.status === PipelineStatus.UNSPECIFIED || wirePipelineStatus(pipeline) === request.status) &&
        (request.projectName === undefined || pipeline.plan.project === request.projectName);
      const page = pageOf(pipelines.reverse(), request, ({ id }) => id, wanted);
      return { retrains: page.items.map((pipeline) => viewPipeline(pipeline, ledger)), nextPageToken: page.next };
    },
    listDecisions: (request) => listDecisions(deps, request),
    getRetrain: async ({ jobId }) => viewPipeline(await findPipeline(ledger, jobId), ledger),
    getRetrainReport: async ({ jobId }) => retrainReport(await findPipeline(ledger, jobId), blobs),
    watchRetrain: ({ jobId, after }, context) => watchPipeline(deps, jobId, after, context.signal),
  };
}
