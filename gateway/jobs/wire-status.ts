import { assertNever } from '../../core/errors.ts';
import { JobStatus } from '../../core/gen/aiforge/v1/job_pb.ts';
import type { Task } from '../../core/task/state.ts';

/** Status as clients see it. A request to pause or cancel does not change it. */
export function wireStatus(task: Task): JobStatus {
  switch (task.status) {
    case 'queued':
      return JobStatus.QUEUED;
    case 'running':
      return task.attempt.phase === 'training' || task.attempt.phase === 'evaluating' ? JobStatus.TRAINING : JobStatus.PREPARING;
    case 'paused':
      return JobStatus.PAUSED;
    case 'completed':
      return JobStatus.COMPLETED;
    case 'failed':
      return JobStatus.FAILED;
    case 'cancelled':
      return JobStatus.CANCELLED;
    default:
      return assertNever(task, 'status');
  }
}
