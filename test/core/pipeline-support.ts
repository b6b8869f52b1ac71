import { create } from '@bufbuild/protobuf';
import { PipelinePlannedSchema, type Event, type PipelinePlanned } from '../../core/gen/aiforge/v1/events_pb.ts';
import { GateCheckSchema, StepResultSchema, type StepResult } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import type { TaskResult } from '../../core/gen/aiforge/v1/task_pb.ts';
import { TaskResultSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { admit } from '../../core/pipeline/admit.ts';
import type { PipelineCommand } from '../../core/pipeline/commands.ts';
import { decide } from '../../core/pipeline/decide.ts';
import { evolve } from '../../core/pipeline/evolve.ts';
import { stepRequest } from '../../core/pipeline/step-request.ts';
import { currentStep, stepNames, type Pipeline, type PipelineState, type Step, type StepName } from '../../core/pipeline/state.ts';

export const pipelineId = 'agent_20240117_120000';
/** What stands for each step that is a task. */
export const taskIds: Readonly<Record<StepName, string>> = { extract_data: `${pipelineId}.extract`, validate_data: '', train: 'job_1', evaluate: 'job_1.gate', export: 'job_1.export', deploy: 'job_1.deploy.pipeline' };

export function planOf(names: readonly StepName[] = stepNames, requireApproval = false): PipelinePlanned {
  return create(PipelinePlannedSchema, {
    project: 'p',
    source: { repository: '/repository', commit: 'c0ffee' },
    training: { baseModel: 'org/base', ggufQuantization: 'Q4_K_M' },
    referenceJobId: 'job_0',
    steps: names.map((name, index) => ({ id: String(index + 1), name, estimatedMinutes: 1 })),
    requireApproval,
  });
}

/** What each kind of task makes. */
export function taskResultOf(name: StepName): TaskResult {
  switch (name) {
    case 'extract_data':
      return create(TaskResultSchema, { kind: { case: 'extract', value: { datasetDigest: 'd'.repeat(64), commit: 'c0ffee' } } });
    case 'train':
      return create(TaskResultSchema, { kind: { case: 'train', value: { adapterDigest: 'a'.repeat(64) } } });
    case 'evaluate':
      return create(TaskResultSchema, { kind: { case: 'evaluate', value: { reportDigest: 'e'.repeat(64) } } });
    case 'export':
      return create(TaskResultSchema, { kind: { case: 'export', value: { exportDigest: 'f'.repeat(64), ggufDigest: 'f'.repeat(64), ggufSize: 1n } } });
    case 'deploy':
      return create(TaskResultSchema, { kind: { case: 'deploy', value: { version: 'p:job_1', ggufDigest: 'f'.repeat(64), promoted: true } } });
    case 'validate_data':
      throw new Error('the guardian validates without a task');
  }
}

export function stepResultOf(name: StepName): StepResult {
  if (name === 'validate_data') return create(StepResultSchema, { kind: { case: 'validation', value: { trainExamples: 100n, heldoutExamples: 10n, leaksChecked: 10n } } });
  return create(StepResultSchema, { taskId: taskIds[name], kind: { case: 'task', value: taskResultOf(name) } });
}

/** Decides, admits and folds; what was decided and is not admitted is an error. */
export function run(state: PipelineState, command: PipelineCommand, time = 1): { state: PipelineState; events: Event[] } {
  const events = decide(command, state);
  for (const event of events) {
    const problem = admit(state, event);
    if (problem !== undefined) throw new Error(`${command.type} decided what is not admitted: ${problem}`);
    state = evolve(state, event, { id: pipelineId, time, sequence: 1 });
  }
  return { state, events };
}

export const passingGate: PipelineCommand = { type: 'decide-gate', passed: true, checks: [create(GateCheckSchema, { name: 'base', passed: true, message: '8.0 % lower' })], reportDigest: 'b'.repeat(64) };
export const refusingGate: PipelineCommand = {
  type: 'decide-gate',
  passed: false,
  checks: [create(GateCheckSchema, { name: 'base', passed: false, message: '1.0 % lower' }), create(GateCheckSchema, { name: 'general', passed: true, message: 'kept' })],
  reportDigest: 'b'.repeat(64),
};

/** The present step, where there is one. */
export function presentStep(state: PipelineState): Step | undefined {
  return state.status === 'none' ? undefined : currentStep(state);
}

/** Commands about the present step. */
export const request = (state: PipelineState): PipelineCommand => ({ type: 'request-step', request: stepRequest(state as Pipeline, presentStep(state)!) });
export function accept(state: PipelineState): PipelineCommand {
  const { name, try: attempt } = presentStep(state)!;
  return { type: 'accept-step', step: name, try: attempt, taskId: taskIds[name] };
}
export function complete(state: PipelineState): PipelineCommand {
  const { name, try: attempt } = presentStep(state)!;
  return { type: 'complete-step', step: name, try: attempt, result: stepResultOf(name) };
}
export function fail(state: PipelineState, retryable: boolean): PipelineCommand {
  const { name, try: attempt } = presentStep(state)!;
  return { type: 'fail-step', step: name, try: attempt, code: 'unavailable', reason: 'gone', retryable };
}

type Move = PipelineCommand | ((state: PipelineState) => PipelineCommand);

/** Folds moves, each made of the state that it meets. */
export function after(state: PipelineState, ...moves: Move[]): PipelineState {
  return moves.reduce((now, move) => run(now, typeof move === 'function' ? move(now) : move).state, state);
}

/** Completes steps from the present one on, until `name` is the present one. */
export function until(state: PipelineState, name: StepName): PipelineState {
  while (presentStep(state)?.name !== name) {
    state = after(state, request, accept, complete);
    if (presentStep(state)?.name === 'export') state = after(state, passingGate);
  }
  return state;
}
