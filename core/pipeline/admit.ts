import type { Event } from '../gen/aiforge/v1/events_pb.ts';
import { requestId } from './decide-step.ts';
import { currentStep, type PipelineState } from './state.ts';

/**
 * Whether an event may follow a state: what `decide` could have produced.
 * @returns undefined when it may, else what is wrong
 */
export function admit(state: PipelineState, { kind }: Event): string | undefined {
  if (kind.case === undefined) return 'an event of a kind this version does not know';
  if (kind.case === 'pipelinePlanned') return state.status === 'none' ? undefined : 'a pipeline is planned twice';
  if (state.status === 'none') return `${kind.case} before the pipeline was planned`;
  const status = state.status;
  const when = (...allowed: string[]): string | undefined => (allowed.includes(status) ? undefined : `${kind.case} while the pipeline is ${status}`);
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
      return when('running') ?? about(request.step, attempt, 'pending');
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
      return state.gate === undefined && state.steps.find(({ name }) => name === 'evaluate')?.status === 'completed' ? undefined : 'a gate before the evaluation, or a second one';
    case 'pipelinePauseRequested':
    case 'pipelinePaused':
      return when('running');
    case 'pipelineResumed':
      return when('paused');
    case 'stepResumed':
      return state.resuming ? undefined : 'a step goes on that was not paused';
    case 'pipelineCancelRequested':
    case 'pipelineCancelled':
    case 'pipelineFailed':
      return when('waiting_approval', 'running', 'paused');
    case 'pipelineCompleted':
    case 'pipelineRefused':
      return when('running', 'paused');
    default:
      return `${kind.case} does not belong to a pipeline`;
  }
}
