import type { Event } from '../gen/aiforge/v1/events_pb.ts';
import type { Moment } from '../task/evolve.ts';
import { currentStep, type Pipeline, type PipelineFacts, type PipelineState, type Step, type StepName } from './state.ts';

/** Folds one admitted event. Never validates (see admit), never reads a clock. */
export function evolve(state: PipelineState, { kind }: Event, { id, time }: Moment): PipelineState {
  if (kind.case === 'pipelinePlanned') {
    const plan = kind.value;
    const facts: PipelineFacts = { id, plan, createdAt: time, updatedAt: time, steps: plan.steps.map(({ name }) => newStep(name as StepName)), requested: 'none', resuming: false, gate: undefined };
    return { ...facts, status: plan.requireApproval ? 'waiting_approval' : 'running' };
  }
  const pipeline = state as Pipeline;
  const facts: PipelineFacts = { ...factsOf(pipeline), updatedAt: time };
  const change = (name: string, changes: Partial<Step>): readonly Step[] => pipeline.steps.map((step) => (step.name === name ? { ...step, ...changes } : step));
  const same = (changes: Partial<PipelineFacts>): PipelineState => ({ ...pipeline, updatedAt: time, ...changes });
  switch (kind.case) {
    case 'pipelineApproved':
      return { ...facts, status: 'running' };
    case 'stepRequested': {
      const request = kind.value.request!;
      const startedAt = pipeline.steps.find(({ name }) => name === request.step)?.startedAt || time;
      return same({ steps: change(request.step, { status: 'requested', request, startedAt, taskId: '', error: undefined }) });
    }
    case 'stepAccepted':
      return same({ steps: change(kind.value.step, { status: 'running', taskId: kind.value.taskId }) });
    case 'stepCompleted':
      return same({ resuming: false, steps: change(kind.value.step, { status: 'completed', endedAt: time, pausedMs: pausedMs(pipeline, time), result: kind.value.result }) });
    case 'stepFailed': {
      const { step, try: attempt, code, reason } = kind.value;
      // Until the pipeline is failed too, the next try is due.
      return same({ resuming: false, steps: change(step, { status: 'pending', try: attempt + 1, error: { code, reason } }) });
    }
    case 'stepSkipped':
      return same({ steps: change(kind.value.step, { status: 'skipped', endedAt: time }) });
    case 'gateDecided': {
      const { passed, checks, reportDigest } = kind.value;
      return same({ gate: { passed, checks, reportDigest } });
    }
    case 'pipelinePauseRequested':
      return same({ requested: 'pause' });
    case 'pipelinePaused':
      return { ...facts, requested: 'none', resuming: false, status: 'paused', pausedAt: time };
    case 'pipelineResumed':
      return { ...facts, status: 'running', resuming: pipeline.steps.some(({ status }) => status === 'running'), steps: change(currentStep(pipeline)?.name ?? '', { pausedMs: pausedMs(pipeline, time) }) };
    case 'stepResumed':
      return same({ resuming: false });
    case 'pipelineCancelRequested':
      return same({ requested: 'cancel' });
    case 'pipelineCompleted':
      return { ...facts, requested: 'none', status: 'completed' };
    case 'pipelineRefused':
      return { ...facts, requested: 'none', status: 'refused', reason: kind.value.reason };
    case 'pipelineCancelled':
      return { ...facts, requested: 'none', status: 'cancelled', reason: kind.value.reason };
    case 'pipelineFailed': {
      const { code, reason } = kind.value;
      // The next try that its failure made due does not come.
      const steps = facts.steps.map((step) => (step.error === undefined || step.status === 'completed' ? step : { ...step, status: 'failed' as const, try: step.try - 1, endedAt: time }));
      return { ...facts, steps, requested: 'none', status: 'failed', code, reason };
    }
    default:
      // Events of other aggregates: admit lets none of them get here.
      return state;
  }
}

/** How long the pipeline was paused in the present step by now: before a step has begun, the pause is not its own. */
function pausedMs(pipeline: Pipeline, time: number): number {
  const step = currentStep(pipeline);
  if (step === undefined || step.startedAt === 0) return 0;
  return step.pausedMs + (pipeline.status === 'paused' ? Math.max(0, time - pipeline.pausedAt) : 0);
}

function newStep(name: StepName): Step {
  return { name, status: 'pending', try: 1, request: undefined, taskId: '', startedAt: 0, endedAt: 0, pausedMs: 0, result: undefined, error: undefined };
}

function factsOf({ id, plan, createdAt, updatedAt, steps, requested, resuming, gate }: Pipeline): PipelineFacts {
  return { id, plan, createdAt, updatedAt, steps, requested, resuming, gate };
}
