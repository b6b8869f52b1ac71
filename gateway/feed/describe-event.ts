import type { Event } from '../../core/gen/aiforge/v1/events_pb.ts';

/** One sentence about what happened, for people who watch; undefined for what is only bookkeeping. */
export function describeEvent({ kind }: Event): string | undefined {
  switch (kind.case) {
    case 'taskQueued':
      return 'queued';
    case 'attemptStarted':
      return `attempt ${kind.value.attempt} started on ${kind.value.workerId}`;
    case 'phaseEntered':
      return kind.value.phase;
    case 'checkpointSaved':
      return `checkpoint at step ${kind.value.step}, saved in ${kind.value.seconds.toFixed(1)} s`;
    case 'microBatchHalved':
      return `micro-batches of ${kind.value.batchSize} from now on, gathered ${kind.value.gradientAccumulation} times for a step`;
    case 'pauseRequested':
      return 'pause requested';
    case 'cancelRequested':
      return 'cancel requested';
    case 'attemptEnded':
      return kind.value.reason === '' ? undefined : `attempt ${kind.value.attempt} ended: ${kind.value.reason}`;
    case 'taskPaused':
      return 'paused';
    case 'taskResumed':
      return 'resumed';
    case 'taskRetried':
      return 'to be tried again';
    case 'taskCompleted':
      return 'completed';
    case 'taskFailed':
      return `failed: ${kind.value.reason}`;
    case 'taskCancelled':
      return `cancelled: ${kind.value.reason}`;
    default:
      return undefined;
  }
}
