import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ListDecisionsRequest, ListDecisionsResponseSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { pageOf } from '../page.ts';

/** Every decision with its figures, the newest first. @throws ForgeError invalid_argument */
export function listDecisions(ledger: Ledger, request: ListDecisionsRequest): MessageInitShape<typeof ListDecisionsResponseSchema> {
  const all = [];
  for (const [project, { decisions }] of ledger.all(projectAggregate)) {
    if (request.projectName !== undefined && request.projectName !== project) continue;
    for (const [index, { made, at }] of decisions.entries()) all.push({ project, made, at, id: `${at}.${index}.${project}` });
  }
  all.sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
  const page = pageOf(all, request, ({ id }) => id);
  return {
    decisions: page.items.map(({ project, made, at }) => ({
      projectName: project,
      shouldRetrain: made.retrain,
      reason: made.reason,
      metrics: made.metrics,
      trigger: made.trigger,
      jobId: made.pipelineId || undefined,
      decidedAt: timestampFromMs(at),
    })),
    nextPageToken: page.next,
  };
}
