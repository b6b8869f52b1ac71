import { ForgeError, assertNever } from '../errors.ts';
import type { Event } from '../gen/aiforge/v1/events_pb.ts';
import { event } from '../task/events.ts';
import type { PipelineCommand } from './commands.ts';
import { currentStep, isGateDue, isOver, type Pipeline, type Step } from './state.ts';

type StepCommand = Extract<PipelineCommand, { type: 'request-step' | 'accept-step' | 'complete-step' | 'fail-step' | 'decide-gate' | 'fail-gate' }>;

/** How often a step is asked for when a try failed in a way that another may not; a task has attempts of its own. */
export const maxTries = 2;

/** `<pipeline>:<step>:<try>`: what makes a step's request one, however often it is sent. */
export function requestId(pipelineId: string, step: string, attempt: number): string {
  return `${pipelineId}:${step}:${attempt}`;
}

/** What comes of a step. What is about another step or try than the present one is a repeat. */
export function decideStep(command: StepCommand, pipeline: Pipeline): Event[] {
  if (isOver(pipeline)) return [];
  const step = currentStep(pipeline);
  switch (command.type) {
    case 'request-step':
      return request(command.request, pipeline, step);
    case 'accept-step':
      if (!isPresent(command, step) || step?.status !== 'requested') return [];
      return [event('stepAccepted', { step: step.name, try: step.try, taskId: command.taskId })];
    case 'complete-step':
      if (!isPresent(command, step)) return [];
      return [event('stepCompleted', { step: command.step, try: command.try, result: command.result }), ...afterStep(pipeline, step!)];
    case 'fail-step':
      return isPresent(command, step) ? fail(command, pipeline) : [];
    case 'decide-gate':
      return decideGate(command, pipeline);
    case 'fail-gate':
      return isGateDue(pipeline) ? [event('pipelineFailed', { code: command.code, reason: command.reason })] : [];
    default:
      return assertNever(command, 'command');
  }
}

function request(wanted: Extract<StepCommand, { type: 'request-step' }>['request'], pipeline: Pipeline, step: Step | undefined): Event[] {
  if (step === undefined || step.name !== wanted.step || step.status !== 'pending') return [];
  if (pipeline.status !== 'running' || pipeline.requested !== 'none' || isGateDue(pipeline)) return [];
  if (wanted.requestId !== requestId(pipeline.id, step.name, step.try)) throw new ForgeError('invalid_argument', `the request of ${step.name} has the id "${wanted.requestId}"`);
  return [event('stepRequested', { request: wanted, try: step.try })];
}

function isPresent(command: { step: string; try: number }, step: Step | undefined): boolean {
  return step !== undefined && step.name === command.step && step.try === command.try && (step.status === 'requested' || step.status === 'running');
}

/** What was asked for while the step ran happens at its end; the pipeline's own end beats it. */
function afterStep(pipeline: Pipeline, step: Step): Event[] {
  if (pipeline.steps.at(-1) === step && step.name !== 'evaluate') return [event('pipelineCompleted', {})];
  if (pipeline.requested === 'cancel') return [event('pipelineCancelled', { reason: 'cancelled on request' })];
  return pipeline.requested === 'pause' ? [event('pipelinePaused', {})] : [];
}

function fail({ step, try: attempt, code, reason, retryable }: Extract<StepCommand, { type: 'fail-step' }>, pipeline: Pipeline): Event[] {
  const failed = event('stepFailed', { step, try: attempt, code, reason, retryable });
  if (pipeline.requested === 'cancel') return [failed, event('pipelineCancelled', { reason: 'cancelled on request' })];
  if (!retryable || attempt >= maxTries) return [failed, event('pipelineFailed', { code, reason: `${step}: ${reason}` })];
  return pipeline.requested === 'pause' ? [failed, event('pipelinePaused', {})] : [failed];
}

/** A refused model is neither exported nor deployed; whoever wants it all the same deploys it by hand. */
function decideGate({ passed, checks, reportDigest }: Extract<StepCommand, { type: 'decide-gate' }>, pipeline: Pipeline): Event[] {
  if (!isGateDue(pipeline)) return [];
  const decided = event('gateDecided', { passed, checks, reportDigest });
  const left = pipeline.steps.filter(({ status }) => status === 'pending');
  if (passed) return left.length === 0 ? [decided, event('pipelineCompleted', {})] : [decided];
  const reason = `the gate refused the new model: ${checks.filter((check) => !check.passed).map(({ message }) => message).join('; ')}`;
  return [decided, ...left.map(({ name }) => event('stepSkipped', { step: name, reason: 'the gate refused the model' })), event('pipelineRefused', { reason })];
}
