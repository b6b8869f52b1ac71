import type { Event } from '../../core/gen/aiforge/v1/events_pb.ts';

/** One sentence about what happened to a pipeline; undefined for what is only bookkeeping. */
export function describePipelineEvent({ kind }: Event): string | undefined {
  switch (kind.case) {
    case 'pipelinePlanned':
      return `${kind.value.requireApproval ? 'planned, waits for approval' : 'started'}: ${kind.value.reason}`;
    case 'pipelineApproved':
      return 'approved';
    case 'stepRequested':
      return `${kind.value.request?.step}: ${kind.value.try === 1 ? 'begun' : `begun again, try ${kind.value.try}`}`;
    case 'stepAccepted':
      return `${kind.value.step}: task ${kind.value.taskId}`;
    case 'stepCompleted':
      return `${kind.value.step}: completed`;
    case 'stepFailed':
      return `${kind.value.step}: failed: ${kind.value.reason}`;
    case 'stepSkipped':
      return `${kind.value.step}: skipped: ${kind.value.reason}`;
    case 'gateDecided':
      return `the gate ${kind.value.passed ? 'lets the model pass' : 'refuses the model'}: ${kind.value.checks.map(({ message }) => message).join('; ')}`;
    case 'pipelinePauseRequested':
      return 'pause requested';
    case 'pipelinePaused':
      return 'paused';
    case 'pipelineResumed':
      return 'resumed';
    case 'stepResumed':
      return `${kind.value.step}: goes on`;
    case 'pipelineCancelRequested':
      return 'cancel requested';
    case 'pipelineCancelled':
      return `cancelled: ${kind.value.reason}`;
    case 'pipelineCompleted':
      return 'completed';
    case 'pipelineRefused':
      return `refused: ${kind.value.reason}`;
    case 'pipelineFailed':
      return `failed: ${kind.value.reason}`;
    default:
      return undefined;
  }
}
