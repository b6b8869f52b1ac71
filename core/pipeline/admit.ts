import type { Event } from '../gen/aiforge/v1/events_pb.ts';
import { requestId } from './decide-step.ts';
import { currentStep, isGateDue, isOver, type PipelineState } from './state.ts';

/**
 * Whether an event may follow a state: what `decide` could have produced.
 * @returns undefined when it may, else what is wrong
 */
export function admit(state: PipelineState, { kind }: Event): string | undefined {
  if (kind.case === undefined) return 'an event of a kind this version does not know';
  if (kind.case === 'pipelinePlanned') return state.status === 'none' ? undefined : 'a pipeline is planned twice';
  if (state.status === 'none') return `${kind.case} before the pipeline was planned`;
  if (isOver(state)) return `${kind.case} after the pipeline was ${state.status}`;
  const { status, requested } = state;
  const when = (...allowed: string[]): string | undefined => (allowed.includes(status) ? undefined : `${kind.case} while the pipeline is ${status}`);
  const unasked = (...allowed: string[]): string | undefined => (allowed.includes(requested) ? undefined : `${kind.case} with ${requested} requested`);
  const step = currentStep(state);
  const about = (name: string, attempt: number, ...allowed: string[]): string | undefined => {
    const fits = step !== undefined && step.name === name && step.try === attempt && allowed.includes(step.status);
    return fits ? undefined : `${kind.case} of ${name}, try ${attempt}, while ${step?.name ?? 'no step'} is ${step?.status ?? 'left'}, try ${step?.try ?? 0}`;
  };
  switch (kind.case) {
    case 'pipelineApproved':
      return when('waiting_approval');
    case 'stepRequested': {
      const { request, try: attempt } = kind.value;
      if (request === undefined || request.requestId !== requestId(state.id, request.step, attempt)) return 'a request without its id';
      return when('running') ?? unasked('none') ?? (isGateDue(state) ? 'a step is requested before the gate has decided' : about(request.step, attempt, 'pending'));
    }
    case 'stepAccepted':
      return about(kind.value.step, kind.value.try, 'requested');
    case 'stepCompleted':
    case 'stepFailed':
      // A step that ends by itself while it is paused has ended.
      return when('running', 'paused') ?? about(kind.value.step, kind.value.try, 'requested', 'running');
    case 'stepSkipped':
      return state.gate?.passed === false ? undefined : 'a step is skipped without a gate that refused';
    case 'gateDecided':
      return isGateDue(state) ? undefined : 'a gate before the evaluation, or a second one';
    case 'pipelinePauseRequested':
      return when('running') ?? unasked('none');
    case 'pipelinePaused':
      return when('running') ?? unasked('pause');
    case 'pipelineResumed':
      return when('paused') ?? unasked('none');
    case 'stepResumed':
      return state.resuming ? undefined : 'a step goes on that was not paused';
    case 'pipelineCancelRequested':
      return unasked('none', 'pause');
    case 'pipelineCancelled':
      return unasked('cancel');
    case 'pipelineFailed':
    case 'pipelineCompleted':
    case 'pipelineRefused':
      return when('running', 'paused');
    default:
      return `${kind.case} does not belong to a pipeline`;
  }
}
