import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { FineTuningCheckpointSchema, ListFineTuningCheckpointsRequest } from '../../core/gen/aiforge/v1/fine_tuning_pb.ts';
import { envelopeTime } from '../../core/store/envelope.ts';
import { isReadable } from '../../core/store/event-store.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { checkLimit, cursorPage } from '../cursor-page.ts';
import { findJob } from '../jobs/query.ts';
import type { FineTuningDeps } from './deps.ts';

type CheckpointView = MessageInitShape<typeof FineTuningCheckpointSchema>;

/** Newest first: the checkpoints that the trainer saved, with what was measured at their steps. */
export async function listFineTuningCheckpoints(deps: FineTuningDeps, request: ListFineTuningCheckpointsRequest): Promise<{ checkpoints: CheckpointView[]; hasMore: boolean }> {
  const limit = checkLimit(request.limit, { standard: 10, most: 100 });
  const job = await findJob(deps.ledger, request.id);
  // A later attempt may have been at the same step again.
  const byStep = new Map<bigint, CheckpointView>();
  for await (const stored of deps.store.readAggregate(taskAggregate.name, job.id, 0)) {
    if (!isReadable(stored)) continue;
    for (const { kind } of stored.envelope.events) {
      if (kind.case !== 'checkpointSaved') continue;
      const { step, loss } = kind.value;
      byStep.delete(step);
      byStep.set(step, { id: `ftckpt-${job.id}-${step}`, createdAt: timestampFromMs(envelopeTime(stored.envelope)), stepNumber: step, trainLoss: loss });
    }
  }
  if (byStep.size > 0) {
    for (const { step, heldoutLoss } of await deps.feeds.past(job.id)) {
      const checkpoint = step === undefined ? undefined : byStep.get(step);
      if (checkpoint !== undefined && heldoutLoss !== undefined) checkpoint.fullValidLoss = heldoutLoss;
    }
  }
  const page = cursorPage([...byStep.values()].reverse(), { after: request.after, limit }, ({ id }) => id!);
  return { checkpoints: page.items, hasMore: page.hasMore };
}
