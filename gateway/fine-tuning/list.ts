import { invalid } from '../../core/errors.ts';
import type { ListFineTuningJobsRequest } from '../../core/gen/aiforge/v1/fine_tuning_pb.ts';
import { TaskKind, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { checkLimit, cursorPage } from '../cursor-page.ts';
import type { FineTuningDeps } from './deps.ts';
import { viewFineTuning, type FineTuningView } from './view.ts';

/** Newest first. @throws ForgeError invalid_argument */
export function listFineTunings(deps: FineTuningDeps, request: ListFineTuningJobsRequest): { jobs: FineTuningView[]; hasMore: boolean } {
  const limit = checkLimit(request.limit, { standard: 20, most: 100 });
  const wanted = Object.entries(request.metadata);
  if (request.withoutMetadata && wanted.length > 0) throw invalid('metadata', 'ask for pairs or for none, not both');
  const jobs: Task[] = [];
  for (const [, task] of deps.ledger.all(taskAggregate)) {
    if (task.status === 'none' || task.kind !== TaskKind.TRAIN) continue;
    const metadata = (task.spec.kind.value as TrainSpec).fineTuning?.metadata ?? {};
    if (request.withoutMetadata ? Object.keys(metadata).length === 0 : wanted.every(([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value)) jobs.push(task);
  }
  const page = cursorPage(jobs.reverse(), { after: request.after, limit }, (job) => job.id);
  return { jobs: page.items.map((job) => viewFineTuning(job, deps)), hasMore: page.hasMore };
}
