import { assertNever } from '../errors.ts';
import { AttemptOutcome, type AttemptEnded, type Event } from '../gen/aiforge/v1/events_pb.ts';
import type { Task, TaskFacts, TaskState } from './state.ts';

/** Who and when, from the envelope. */
export interface Moment {
  id: string;
  /** Unix milliseconds. */
  time: number;
  /** Of the envelope in the stream: what came first, whatever the clocks of those who wrote it said. */
  sequence: number;
}

/** Folds one admitted event. Never validates (see admit), never reads a clock. */
export function evolve(state: TaskState, { kind }: Event, { id, time, sequence }: Moment): TaskState {
  if (kind.case === 'taskQueued') {
    const { kind: taskKind, project, spec, after, maxAttempts } = kind.value;
    return {
      status: 'queued',
      id,
      kind: taskKind,
      project,
      spec: spec!,
      after,
      maxAttempts,
      createdAt: time,
      updatedAt: time,
      ended: [],
      failures: 0,
      failedAt: 0,
      startedAt: 0,
      queuedSequence: sequence,
      startedSequence: 0,
      retriedFor: '',
      endedBeforeRetry: 0,
      microBatch: undefined,
      checkpoint: undefined,
      totalSteps: undefined,
    };
  }
  const task = state as Task;
  const facts: TaskFacts = { ...withoutStatus(task), updatedAt: time };
  switch (kind.case) {
    case 'attemptStarted': {
      const { attempt: number, workerId, bootId, slot, askId, secretSha256 } = kind.value;
      return { ...facts, startedAt: time, startedSequence: sequence, status: 'running', requested: 'none', attempt: { number, workerId, bootId, slot, askId, secretSha256, reported: 0, phase: 'preparing' } };
    }
    case 'reportAccepted': {
      const running = asRunning(task);
      return { ...running, updatedAt: time, attempt: { ...running.attempt, reported: Number(kind.value.number) } };
    }
    case 'phaseEntered': {
      const running = asRunning(task);
      const totalSteps = kind.value.totalSteps === undefined ? running.totalSteps : Number(kind.value.totalSteps);
      return { ...running, updatedAt: time, totalSteps, attempt: { ...running.attempt, phase: kind.value.phase } };
    }
    case 'checkpointSaved': {
      const { attempt, step, epoch, loss, digest } = kind.value;
      // One that is saved again is no progress.
      const failures = task.checkpoint === undefined || Number(step) > task.checkpoint.step ? 0 : task.failures;
      return { ...asRunning(task), updatedAt: time, failures, checkpoint: { attempt, step: Number(step), epoch, loss, digest } };
    }
    case 'microBatchHalved':
      return { ...facts, status: 'queued', microBatch: { batchSize: kind.value.batchSize, gradientAccumulation: kind.value.gradientAccumulation } };
    case 'pauseRequested':
      return task.status === 'running' ? { ...task, updatedAt: time, requested: 'pause' } : task;
    case 'cancelRequested':
      return task.status === 'running' ? { ...task, updatedAt: time, requested: 'cancel' } : task;
    case 'attemptEnded':
      return { ...facts, ...afterAttempt(asRunning(task), kind.value, time), status: 'queued' };
    case 'taskPaused':
      return { ...facts, status: 'paused' };
    case 'taskResumed':
      return { ...facts, status: 'queued' };
    case 'taskRetried':
      return { ...facts, status: 'queued', failures: 0, retriedFor: kind.value.requestId, endedBeforeRetry: task.ended.length };
    case 'taskCompleted':
      return { ...facts, status: 'completed', result: kind.value.result! };
    case 'taskFailed':
      return { ...facts, status: 'failed', code: kind.value.code, reason: kind.value.reason };
    case 'taskCancelled':
      return { ...facts, status: 'cancelled', reason: kind.value.reason };
    case 'keyReserved':
    case 'reservationMoved':
    case 'deployRequested':
    case 'versionCreated':
    case 'aliasMoved':
    case 'versionDeleted':
    case 'aliasDeleted':
    case 'baseModelPinned':
    case 'projectRegistered':
    case 'projectDeleted':
    case 'projectBlobsRemoved':
    case 'decisionMade':
    case 'pipelineStarted':
    case 'pipelineEnded':
    case 'retrainPending':
    case 'agentCordoned':
    case 'agentDrainRequested':
    case 'agentUncordoned':
    case 'agentRemoved':
    case 'pipelinePlanned':
    case 'pipelineApproved':
    case 'stepRequested':
    case 'stepAccepted':
    case 'stepCompleted':
    case 'stepFailed':
    case 'stepSkipped':
    case 'gateDecided':
    case 'pipelinePauseRequested':
    case 'pipelinePaused':
    case 'pipelineResumed':
    case 'pipelineCancelRequested':
    case 'pipelineCancelled':
    case 'pipelineCompleted':
    case 'pipelineRefused':
    case 'pipelineFailed':
    case 'stepResumed':
    case 'fileUploaded':
    case 'fileDeleted':
    case 'apiKeyCreated':
    case 'apiKeyRevoked':
    case 'apiKeyUsed':
    case undefined:
      // Events of other aggregates: admit lets none of them get here.
      return state;
    default:
      return assertNever(kind, 'event');
  }
}

function afterAttempt({ attempt, ended, failures, failedAt }: Extract<Task, { status: 'running' }>, end: AttemptEnded, time: number): Pick<TaskFacts, 'ended' | 'failures' | 'failedAt'> {
  const { number, workerId, bootId, reported } = attempt;
  const counted = end.outcome === AttemptOutcome.FAILED || end.outcome === AttemptOutcome.LOST;
  return {
    ended: [...ended, { number, workerId, bootId, reported, outcome: end.outcome, code: end.code, reason: end.reason, logDigest: end.logDigest, logLines: Number(end.logLines) }],
    failures: counted ? failures + 1 : failures,
    failedAt: counted ? time : failedAt,
  };
}

function asRunning(task: Task): Extract<Task, { status: 'running' }> {
  return task as Extract<Task, { status: 'running' }>;
}

function withoutStatus(task: Task): TaskFacts {
  const { id, kind, project, spec, after, maxAttempts, createdAt, updatedAt, ended, failures, failedAt, startedAt, queuedSequence, startedSequence, retriedFor, endedBeforeRetry, microBatch, checkpoint, totalSteps } = task;
  return { id, kind, project, spec, after, maxAttempts, createdAt, updatedAt, ended, failures, failedAt, startedAt, queuedSequence, startedSequence, retriedFor, endedBeforeRetry, microBatch, checkpoint, totalSteps };
}
