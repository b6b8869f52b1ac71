import { ForgeError, assertNever } from '../errors.ts';
import type { Event } from '../gen/aiforge/v1/events_pb.ts';
import { event } from '../task/events.ts';
import type { PipelineCommand } from './commands.ts';
import { decideStep } from './decide-step.ts';
import { currentStep, isOver, stepNames, type Pipeline, type PipelineState } from './state.ts';

/**
 * What a command makes of a pipeline. Pure.
 * @returns no events for a repeat
 * @throws ForgeError wrong_state for an illegal move (names the state), already_exists, not_found, invalid_argument
 */
export function decide(command: PipelineCommand, state: PipelineState): Event[] {
  if (command.type === 'plan') {
    if (state.status !== 'none') throw new ForgeError('already_exists', `pipeline ${state.id} exists already`);
    const names = command.plan.steps.map(({ name }) => name);
    if (names.length === 0 || names.some((name, index) => !(stepNames as readonly string[]).includes(name) || names.indexOf(name) !== index)) {
      throw new ForgeError('invalid_argument', `a pipeline of the steps "${names.join(', ')}" can't be planned`);
    }
    return [event('pipelinePlanned', command.plan)];
  }
  if (state.status === 'none') throw new ForgeError('not_found', 'there is no such pipeline');
  switch (command.type) {
    case 'approve':
      if (state.status !== 'waiting_approval') throw wrongState(state, 'approved', 'only one that waits for approval can be');
      return [event('pipelineApproved', {})];
    case 'pause':
      return pause(state);
    case 'settle-pause':
      return state.status === 'running' && state.requested === 'pause' ? [event('pipelinePaused', {})] : [];
    case 'resume':
      if (state.status !== 'paused' || state.requested !== 'none') throw wrongState(state, 'resumed', 'only a paused pipeline can be');
      return [event('pipelineResumed', {})];
    case 'step-resumed':
      return !isOver(state) && state.resuming ? [event('stepResumed', { step: command.step })] : [];
    case 'cancel':
      return cancel(state, command.reason);
    case 'settle-cancel':
      return !isOver(state) && state.requested === 'cancel' ? [event('pipelineCancelled', { reason: 'cancelled on request' })] : [];
    case 'request-step':
    case 'accept-step':
    case 'complete-step':
    case 'fail-step':
    case 'decide-gate':
    case 'fail-gate':
      return decideStep(command, state);
    default:
      return assertNever(command, 'command');
  }
}

/** Whether something is under way that has to end first. */
function isBusy(pipeline: Pipeline): boolean {
  const status = currentStep(pipeline)?.status;
  return status === 'requested' || status === 'running';
}

function pause(pipeline: Pipeline): Event[] {
  if (pipeline.status !== 'running' || pipeline.requested === 'cancel') throw wrongState(pipeline, 'paused', 'only a running pipeline can be');
  if (pipeline.requested === 'pause') return [];
  return isBusy(pipeline) ? [event('pipelinePauseRequested', {})] : [event('pipelinePauseRequested', {}), event('pipelinePaused', {})];
}

function cancel(pipeline: Pipeline, reason: string): Event[] {
  if (isOver(pipeline)) throw wrongState(pipeline, 'cancelled', 'it has ended');
  if (pipeline.requested === 'cancel') return [];
  const requested = event('pipelineCancelRequested', { reason });
  return isBusy(pipeline) ? [requested] : [requested, event('pipelineCancelled', { reason })];
}

function wrongState(pipeline: Pipeline, verb: string, rule: string): ForgeError {
  const state = pipeline.requested === 'none' ? pipeline.status : `${pipeline.status}, with ${pipeline.requested} requested`;
  return new ForgeError('wrong_state', `job_id: ${pipeline.id} is ${state} and can't be ${verb}: ${rule}`, { field: 'job_id' });
}
