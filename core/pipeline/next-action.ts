import { create } from '@bufbuild/protobuf';
import { StepResultSchema, type StepRequest } from '../gen/aiforge/v1/pipeline_pb.ts';
import type { Requested, TaskState } from '../task/state.ts';
import type { PipelineCommand } from './commands.ts';
import { currentStep, isGateDue, isOver, type PipelineState, type Pipeline, type Step } from './state.ts';
import { controlRequest, stepRequest } from './step-request.ts';

/** What has to be done for a pipeline now. */
export type Action =
  | { type: 'append'; command: PipelineCommand }
  /** To the gateway, until it is answered: the answer is the step's task. */
  | { type: 'send'; request: StepRequest; step: Step }
  /** To the gateway, until it is answered: the answer shows in the task. */
  | { type: 'control'; request: StepRequest }
  /** The guardian looks at the dataset itself. */
  | { type: 'validate'; request: StepRequest; step: Step }
  | { type: 'gate' }
  | { type: 'wait' };

/** A task, and the version of it at which it is in that state. */
export interface KnownTask {
  state: TaskState;
  version: number;
}

const wait: Action = { type: 'wait' };

/**
 * The one thing to do next, from events alone: whoever starts anywhere, anytime, goes on from here. Pure.
 * @param lookup a task as it is known
 */
export function nextAction(pipeline: PipelineState, lookup: (taskId: string) => KnownTask): Action {
  if (pipeline.status === 'none' || pipeline.status === 'waiting_approval' || isOver(pipeline)) return wait;
  const step = currentStep(pipeline);
  if (step?.status === 'requested' && step.name !== 'validate_data') return { type: 'send', request: step.request!, step };
  if (step?.status === 'running') return followTask(pipeline, step, lookup(step.taskId));
  // A validation was sent to nobody: there is no task to stop first.
  if (pipeline.requested === 'cancel') return append({ type: 'settle-cancel' });
  if (pipeline.requested === 'pause') return append({ type: 'settle-pause' });
  if (pipeline.status === 'paused') return wait;
  if (isGateDue(pipeline)) return { type: 'gate' };
  if (step?.status === 'requested') return { type: 'validate', request: step.request!, step };
  return step === undefined ? wait : append({ type: 'request-step', request: stepRequest(pipeline, step) });
}

function followTask(pipeline: Pipeline, step: Step, { state: task, version }: KnownTask): Action {
  const about = { step: step.name, try: step.try };
  switch (task.status) {
    case 'none':
      return wait;
    case 'completed':
      return append({ type: 'complete-step', ...about, result: create(StepResultSchema, { taskId: task.id, kind: { case: 'task', value: task.result } }) });
    case 'failed':
      // Only what was away may be back by now; the task itself has tried several times.
      return append({ type: 'fail-step', ...about, code: task.code, reason: task.reason, retryable: task.code === 'unavailable' });
    case 'cancelled':
      if (pipeline.requested === 'cancel') return append({ type: 'settle-cancel' });
      return append({ type: 'fail-step', ...about, code: 'cancelled', reason: `${task.id} was cancelled`, retryable: false });
    case 'paused':
      if (pipeline.requested === 'cancel') return control(pipeline, step, 'cancel', version);
      if (pipeline.requested === 'pause') return append({ type: 'settle-pause' });
      return pipeline.resuming ? control(pipeline, step, 'resume', version) : wait;
    case 'queued':
    case 'running':
      return followLive(pipeline, step, version, task.status === 'running' ? task.requested : 'none');
  }
}

/** Somebody else's pause of the task is theirs to end. */
function followLive(pipeline: Pipeline, step: Step, version: number, asked: Requested): Action {
  if (pipeline.requested === 'cancel') return asked === 'cancel' ? wait : control(pipeline, step, 'cancel', version);
  if (pipeline.requested === 'pause') return asked === 'none' ? control(pipeline, step, 'pause', version) : wait;
  return pipeline.resuming ? append({ type: 'step-resumed', step: step.name }) : wait;
}

function append(command: PipelineCommand): Action {
  return { type: 'append', command };
}

function control(pipeline: Pipeline, step: Step, verb: 'pause' | 'resume' | 'cancel', version: number): Action {
  return { type: 'control', request: controlRequest(pipeline, step, verb, version) };
}
