import { assertNever } from '../errors.ts';
import { PipelineStatus, StepStatus } from '../gen/aiforge/v1/retrain_pb.ts';
import type { TaskState } from '../task/state.ts';
import type { Pipeline, Step } from './state.ts';

/** Status as clients see it. A request to pause or cancel does not change it. */
export function wirePipelineStatus(pipeline: Pipeline): PipelineStatus {
  switch (pipeline.status) {
    case 'waiting_approval':
      return PipelineStatus.WAITING_APPROVAL;
    case 'running':
      return PipelineStatus.RUNNING;
    case 'paused':
      return PipelineStatus.PAUSED;
    case 'completed':
      return PipelineStatus.COMPLETED;
    case 'refused':
      return PipelineStatus.REFUSED;
    case 'failed':
      return PipelineStatus.FAILED;
    case 'cancelled':
      return PipelineStatus.CANCELLED;
    default:
      return assertNever(pipeline, 'status');
  }
}

/** @param task that stands for the step, where there is one */
export function wireStepStatus(pipeline: Pipeline, step: Step, task: TaskState): StepStatus {
  switch (step.status) {
    case 'pending':
      return pipeline.status === 'cancelled' ? StepStatus.CANCELLED : StepStatus.PENDING;
    case 'requested':
    case 'running':
      if (pipeline.status === 'cancelled') return StepStatus.CANCELLED;
      return task.status === 'paused' || (step.status === 'requested' && pipeline.status === 'paused') ? StepStatus.PAUSED : StepStatus.RUNNING;
    case 'completed':
      return StepStatus.COMPLETED;
    case 'failed':
      return StepStatus.FAILED;
    case 'skipped':
      return StepStatus.SKIPPED;
    default:
      return assertNever(step.status, 'status');
  }
}
