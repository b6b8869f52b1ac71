import t from 'tap';
import { isForgeError } from '../../core/errors.ts';
import type { Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { StepStatus } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { admit } from '../../core/pipeline/admit.ts';
import type { PipelineCommand, PipelineCommandType } from '../../core/pipeline/commands.ts';
import { decide } from '../../core/pipeline/decide.ts';
import { initialState, isOver, type Pipeline, type PipelineState } from '../../core/pipeline/state.ts';
import { stepRequest } from '../../core/pipeline/step-request.ts';
import { wireStepStatus } from '../../core/pipeline/wire-status.ts';
import { initialState as noTask } from '../../core/task/state.ts';
import { cells } from './pipeline-cells.ts';
import { accept, after, complete, fail, passingGate, planOf, presentStep, refusingGate, request, run, stepResultOf, until } from './pipeline-support.ts';

const plan: PipelineCommand = { type: 'plan', plan: planOf() };
const pause: PipelineCommand = { type: 'pause' };
const settlePause: PipelineCommand = { type: 'settle-pause' };
const resume: PipelineCommand = { type: 'resume' };
const cancel: PipelineCommand = { type: 'cancel', reason: 'asked' };
const failingGate: PipelineCommand = { type: 'fail-gate', code: 'input_missing', reason: 'the report is gone' };
const planned = after(initialState, plan);
const running = after(planned, request, accept);
const evaluated = after(until(planned, 'evaluate'), request, accept, complete);
const last = after(until(planned, 'deploy'), request, accept);

const states: Record<string, PipelineState> = {
  none: initialState,
  waiting_approval: after(initialState, { type: 'plan', plan: planOf(undefined, true) }),
  pending: planned,
  requested: after(planned, request),
  running,
  'running again': after(running, (state) => fail(state, true), request, accept),
  'requested, pause requested': after(planned, request, pause),
  'requested, cancel requested': after(planned, request, cancel),
  'running, pause requested': after(running, pause),
  'running, cancel requested': after(running, cancel),
  paused: after(planned, pause),
  'paused with a task': after(running, pause, settlePause),
  'paused with a task, cancel requested': after(running, pause, settlePause, cancel),
  resuming: after(running, pause, settlePause, resume),
  'resuming, pause requested': after(running, pause, settlePause, resume, pause),
  'paused while resuming': after(running, pause, settlePause, resume, pause, settlePause),
  'validation requested': after(until(planned, 'validate_data'), request),
  'validation requested, paused': after(until(planned, 'validate_data'), request, pause, settlePause),
  'gate due': evaluated,
  'gate due, paused': after(evaluated, pause),
  'gate passed': after(evaluated, passingGate),
  'last step': last,
  'last step, pause requested': after(last, pause),
  'last step, cancel requested': after(last, cancel),
  'last step, paused': after(last, pause, settlePause),
  completed: after(last, complete),
  refused: after(evaluated, refusingGate),
  failed: after(running, (state) => fail(state, false)),
  cancelled: after(running, cancel, { type: 'settle-cancel' }),
  'cancelled while resuming': after(running, pause, settlePause, resume, cancel, { type: 'settle-cancel' }),
};

/** Each command as it would be about the present step. */
function commandsFor(state: PipelineState): Record<PipelineCommandType, PipelineCommand> {
  const step = presentStep(state);
  const about = { step: step?.name ?? 'extract_data', try: step?.try ?? 1 };
  return {
    plan,
    approve: { type: 'approve' },
    'request-step': { type: 'request-step', request: stepRequest((step === undefined ? planned : state) as Pipeline, step ?? presentStep(planned)!) },
    'accept-step': { type: 'accept-step', ...about, taskId: 'task' },
    'complete-step': { type: 'complete-step', ...about, result: stepResultOf(about.step as 'train') },
    'fail-step': { type: 'fail-step', ...about, code: 'unavailable', reason: 'gone', retryable: true },
    'decide-gate': passingGate,
    'fail-gate': failingGate,
    pause,
    'settle-pause': settlePause,
    resume,
    'step-resumed': { type: 'step-resumed', step: about.step },
    cancel,
    'settle-cancel': { type: 'settle-cancel' },
  };
}

/** What a state comes to in words: status, what stands beside it, and the present step. */
function describe(state: PipelineState): string {
  if (state.status === 'none') return 'none';
  const step = presentStep(state);
  const beside = `${state.requested === 'none' ? '' : `, ${state.requested} requested`}${state.resuming ? ', resuming' : ''}`;
  return `${state.status}${beside}: ${step === undefined ? 'no step left' : `${step.name} ${step.status}, try ${step.try}`}`;
}

/** The error's code; or the events in order and what they come to; or "-" for a repeat that changes nothing. */
function cell(state: PipelineState, command: PipelineCommand): string {
  try {
    const { state: next, events } = run(state, command);
    return events.length === 0 ? '-' : `${events.map(({ kind }) => kind.case).join(' ')} > ${describe(next)}`;
  } catch (error) {
    if (!isForgeError(error)) throw error;
    return error.code;
  }
}

t.test('every command in every state', async (t) => {
  t.strictSame(Object.keys(cells).sort(), Object.keys(states).sort(), 'the table has a row for each state');
  for (const [name, state] of Object.entries(states)) {
    const commands = commandsFor(state);
    t.strictSame(Object.keys(cells[name]!).sort(), Object.keys(commands).sort(), `${name}: every cell is filled`);
    for (const [type, command] of Object.entries(commands)) t.equal(cell(state, command), cells[name]![type as PipelineCommandType], `${type} while ${name}`);
  }
});

t.test('a step that fails for good ends the pipeline, unless that was cancelled', async (t) => {
  const failed = (name: string): string => cell(states[name]!, fail(states[name]!, false));
  t.equal(failed('running'), 'stepFailed pipelineFailed > failed: extract_data failed, try 1');
  t.equal(failed('running, pause requested'), 'stepFailed pipelineFailed > failed: extract_data failed, try 1');
  t.equal(failed('paused with a task'), 'stepFailed pipelineFailed > failed: extract_data failed, try 1');
  t.equal(failed('running, cancel requested'), 'stepFailed pipelineCancelled > cancelled: extract_data pending, try 2');
  t.match(states.failed, { code: 'unavailable', reason: 'extract_data: gone' });
});

t.test('what is about another step or another try changes nothing', async (t) => {
  const again = states['running again']!;
  for (const type of ['accept-step', 'complete-step', 'fail-step'] as const) {
    const command = commandsFor(again)[type];
    t.strictSame(decide({ ...command, try: 1 } as PipelineCommand, again), [], `${type} of the try before`);
    t.strictSame(decide({ ...command, step: 'train' } as PipelineCommand, again), [], `${type} of a step that is not due`);
  }
  const stale = request(planned);
  t.strictSame(decide(stale, until(planned, 'train')), [], 'the request of a step that is done');
  t.throws(() => decide(stale, after(running, (state) => fail(state, true))), { code: 'invalid_argument' }, 'an id of the try before');
});

t.test('the gate', async (t) => {
  t.equal(cell(evaluated, refusingGate), 'gateDecided stepSkipped stepSkipped pipelineRefused > refused: no step left');
  t.match(states.refused, { reason: 'the gate refused the new model: 1.0 % lower', gate: { passed: false, reportDigest: 'b'.repeat(64) } });
  t.equal(cell(states['gate due, paused']!, refusingGate), 'gateDecided stepSkipped stepSkipped pipelineRefused > refused: no step left', 'a verdict that was under way counts');
  const short = after(initialState, { type: 'plan', plan: planOf(['extract_data', 'validate_data', 'train', 'evaluate']) });
  const done = after(short, ...Array.from({ length: 4 }, () => [request, accept, complete]).flat());
  t.match(after(evaluated, failingGate), { status: 'failed', code: 'input_missing', reason: 'the report is gone', gate: undefined });
  t.equal(describe(done), 'running: no step left', 'an evaluation that is last still waits for its gate');
  t.equal(cell(done, passingGate), 'gateDecided pipelineCompleted > completed: no step left');
  t.equal(cell(done, refusingGate), 'gateDecided pipelineRefused > refused: no step left');
});

t.test('a validation that is paused is shown so', async (t) => {
  const shown = (name: string): StepStatus => wireStepStatus(states[name] as Pipeline, presentStep(states[name]!)!, noTask);
  t.equal(shown('validation requested'), StepStatus.RUNNING);
  t.equal(shown('validation requested, paused'), StepStatus.PAUSED);
});

t.test('a plan has steps that are known, each once', async (t) => {
  for (const names of [[], ['train', 'train'], ['paint']]) t.throws(() => decide({ type: 'plan', plan: planOf(names as never) }, initialState), { code: 'invalid_argument' });
});

/** Events that also stand behind another of the same command: whether those may follow depends on that one. */
const followers: ReadonlySet<string> = new Set(['stepSkipped', 'pipelinePaused', 'pipelineCancelled', 'pipelineCompleted', 'pipelineRefused', 'pipelineFailed']);

t.test('what could not have been decided is not admitted', async (t) => {
  const firstOf = (state: PipelineState): Event[] =>
    [...Object.values(commandsFor(state)), refusingGate].flatMap((command) => {
      try {
        return decide(command, state);
      } catch {
        return [];
      }
    });
  const all = Object.values(states).flatMap(firstOf);
  for (const [name, state] of Object.entries(states)) {
    const key = ({ kind }: Event): string => `${kind.case} ${kind.case === 'stepRequested' ? kind.value.request!.step : 'step' in (kind.value ?? {}) ? (kind.value as { step: string }).step : ''} ${'try' in (kind.value ?? {}) ? (kind.value as { try: number }).try : ''}`;
    const decided = new Set(firstOf(state).map(key));
    const wrong = all.filter((event) => (isOver(state) || !followers.has(event.kind.case!)) && (admit(state, event) === undefined) !== decided.has(key(event)));
    t.strictSame([...new Set(wrong.map(key))], [], `while ${name}`);
  }
});

t.test('the time that a step was paused is kept apart', async (t) => {
  const at = (state: PipelineState, time: number, ...moves: (PipelineCommand | ((state: PipelineState) => PipelineCommand))[]): PipelineState =>
    moves.reduce((now, move) => run(now, typeof move === 'function' ? move(now) : move, time).state, state);
  const times = (state: PipelineState): number[][] => (state as Pipeline).steps.slice(0, 2).map(({ startedAt, endedAt, pausedMs }) => [startedAt, endedAt, pausedMs]);
  const begun = at(planned, 10, request, accept);
  const twice = at(at(at(at(begun, 20, pause, settlePause), 120, resume), 130, pause, settlePause), 1_130, resume);
  t.strictSame(times(at(twice, 1_140, complete)), [[10, 1_140, 1_100], [0, 0, 0]], 'both pauses');
  t.strictSame(times(at(at(begun, 20, pause, settlePause), 50, complete)), [[10, 50, 30], [0, 0, 0]], 'a step that ends while it is paused');
  const between = at(at(at(planned, 10, pause), 500, resume), 510, request, accept);
  t.strictSame(times(at(between, 520, complete)), [[510, 520, 0], [0, 0, 0]], 'a pause before a step is not its own');
  const again = at(at(at(begun, 20, pause, (state) => fail(state, true)), 70, resume), 80, request, accept, complete);
  t.strictSame(times(again), [[10, 80, 50], [0, 0, 0]], 'nor does one between two tries count');
  t.strictSame(times(at(at(at(begun, 20, pause, settlePause), 5, resume), 30, complete)), [[10, 30, 0], [0, 0, 0]], 'a clock that was set back takes nothing away');
});
