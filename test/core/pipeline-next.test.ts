import fc from 'fast-check';
import t from 'tap';
import { create } from '@bufbuild/protobuf';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { PipelineCommand } from '../../core/pipeline/commands.ts';
import { nextAction, type Action, type KnownTask } from '../../core/pipeline/next-action.ts';
import { initialState, isOver, stepNames, type Pipeline, type PipelineState, type StepName } from '../../core/pipeline/state.ts';
import { initialState as noTask, type Task, type TaskState } from '../../core/task/state.ts';
import { accept, after, complete, fail, passingGate, pipelineId, planOf, refusingGate, request, taskIds, taskResultOf, until } from './pipeline-support.ts';
import { Simulation, type Move } from './pipeline-simulation.ts';

const plan: PipelineCommand = { type: 'plan', plan: planOf() };
const pause: PipelineCommand = { type: 'pause' };
const settlePause: PipelineCommand = { type: 'settle-pause' };
const resume: PipelineCommand = { type: 'resume' };
const cancel: PipelineCommand = { type: 'cancel', reason: 'asked' };
const planned = after(initialState, plan);
const noLookup = (): never => {
  throw new Error('no task is looked at');
};

/** What is done, in words. */
function inWords(action: Action): string {
  if (action.type === 'append') return 'step' in action.command ? `${action.command.type} ${action.command.step}` : action.command.type;
  if (action.type === 'control' && action.request.action.case === 'control') return `${action.request.action.value.verb} ${action.request.action.value.taskId}`;
  return 'request' in action ? `${action.type} ${action.request.requestId}` : action.type;
}

t.test('each step is asked for once the one before is completed', async (t) => {
  const wanted: Record<StepName, object> = {
    extract_data: { case: 'extract', value: { repository: '/repository', commit: 'c0ffee' } },
    validate_data: { case: 'validateData', value: { datasetDigest: 'd'.repeat(64), minTrainExamples: 16n, minHeldoutExamples: 2n } },
    train: { case: 'train', value: { after: `${pipelineId}.extract`, spec: { baseModel: 'org/base', source: { case: 'extract', value: { commit: 'c0ffee' } } } } },
    evaluate: { case: 'evaluate', value: { jobId: 'job_1', referenceJobId: 'job_0', general: true } },
    export: { case: 'export', value: { jobId: 'job_1', ggufQuantization: 'Q4_K_M' } },
    deploy: { case: 'deploy', value: { jobId: 'job_1', alias: 'p:latest' } },
  };
  for (const name of stepNames) {
    const pending = until(planned, name);
    const action = nextAction(pending, noLookup);
    t.match(action, { type: 'append', command: { type: 'request-step', request: { requestId: `${pipelineId}:${name}:1`, pipelineId, step: name, project: 'p', action: wanted[name] } } });
    const requested = after(pending, request);
    const send = `${name === 'validate_data' ? 'validate' : 'send'} ${pipelineId}:${name}:1`;
    t.equal(inWords(nextAction(requested, noLookup)), send, 'what is stored is sent');
    if (name === 'validate_data') {
      t.equal(inWords(nextAction(after(requested, cancel), noLookup)), 'settle-cancel', 'a validation was sent to nobody: there is nothing to stop');
      t.equal(inWords(nextAction(after(requested, pause), noLookup)), 'settle-pause');
      t.equal(inWords(nextAction(after(requested, pause, settlePause), noLookup)), 'wait');
      t.equal(inWords(nextAction(after(requested, pause, settlePause, cancel), noLookup)), 'settle-cancel');
      t.equal(inWords(nextAction(after(requested, pause, settlePause, resume), noLookup)), send);
    } else {
      for (const asked of [pause, cancel]) t.equal(inWords(nextAction(after(requested, asked), noLookup)), send, `and also with ${asked.type} requested: only its answer says what there is to stop`);
    }
    const again = after(requested, (state) => fail(state, true), request);
    t.equal(inWords(nextAction(again, noLookup)), send.replace(/1$/, '2'), 'the next try has its own id');
  }
  const evaluated = after(until(planned, 'evaluate'), request, accept, complete);
  t.equal(inWords(nextAction(evaluated, noLookup)), 'gate', 'after the evaluation the gate decides');
  t.equal(inWords(nextAction(after(evaluated, pause), noLookup)), 'wait');
  t.equal(inWords(nextAction(after(evaluated, passingGate), noLookup)), 'request-step');
});

t.test('nothing is to do before the approval, while paused, and after the end', async (t) => {
  const running = after(planned, request, accept);
  const states: PipelineState[] = [
    initialState,
    after(initialState, { type: 'plan', plan: planOf(undefined, true) }),
    after(planned, pause),
    after(planned, cancel),
    after(running, (state) => fail(state, false)),
    after(until(planned, 'evaluate'), request, accept, complete, refusingGate),
    after(until(planned, 'deploy'), request, accept, complete),
  ];
  t.strictSame(states.map(({ status }) => status), ['none', 'waiting_approval', 'paused', 'cancelled', 'failed', 'refused', 'completed']);
  for (const state of states) t.equal(inWords(nextAction(state, noLookup)), 'wait', state.status);
});

const facts = { id: taskIds.train, kind: TaskKind.TRAIN, project: 'p', spec: create(TaskSpecSchema), after: '', maxAttempts: 2, createdAt: 1, updatedAt: 1, ended: [], failures: 0, failedAt: 0, startedAt: 1, queuedSequence: 1, startedSequence: 2, retriedFor: '', endedBeforeRetry: 0, microBatch: undefined, checkpoint: undefined, totalSteps: undefined };
const attempt = { number: 1, workerId: 'w', bootId: 'b', slot: 's', askId: 'a', secretSha256: new Uint8Array(), reported: 0, phase: 'training' };
const tasks: Record<string, TaskState> = {
  none: noTask,
  queued: { ...facts, status: 'queued' },
  running: { ...facts, status: 'running', attempt, requested: 'none' },
  pausing: { ...facts, status: 'running', attempt, requested: 'pause' },
  cancelling: { ...facts, status: 'running', attempt, requested: 'cancel' },
  paused: { ...facts, status: 'paused' },
  completed: { ...facts, status: 'completed', result: taskResultOf('train') },
  failed: { ...facts, status: 'failed', code: 'out_of_memory', reason: 'r' },
  unavailable: { ...facts, status: 'failed', code: 'unavailable', reason: 'r' },
  cancelled: { ...facts, status: 'cancelled', reason: 'r' },
} satisfies Record<string, { status: 'none' } | Task>;

t.test('a step that runs follows its task', async (t) => {
  const running = after(until(planned, 'train'), request, accept);
  const situations: Record<string, PipelineState> = {
    running,
    pausing: after(running, pause),
    cancelling: after(running, cancel),
    paused: after(running, pause, settlePause),
    'paused, cancelling': after(running, pause, settlePause, cancel),
    resuming: after(running, pause, settlePause, resume),
    'paused while resuming': after(running, pause, settlePause, resume, pause, settlePause),
    'resuming, cancelling': after(running, pause, settlePause, resume, cancel),
  };
  const ends = { completed: 'complete-step train', failed: 'fail-step train', unavailable: 'fail-step train', cancelled: 'fail-step train' };
  const cancels = { none: 'wait', queued: 'cancel job_1', running: 'cancel job_1', pausing: 'cancel job_1', cancelling: 'wait', paused: 'cancel job_1', ...ends, cancelled: 'settle-cancel' };
  const waits = { none: 'wait', queued: 'wait', running: 'wait', pausing: 'wait', cancelling: 'wait', paused: 'wait', ...ends };
  const table: Record<string, Record<string, string>> = {
    running: waits,
    pausing: { none: 'wait', queued: 'pause job_1', running: 'pause job_1', pausing: 'wait', cancelling: 'wait', paused: 'settle-pause', ...ends },
    cancelling: cancels,
    paused: waits,
    'paused, cancelling': cancels,
    resuming: { none: 'wait', queued: 'step-resumed train', running: 'step-resumed train', pausing: 'step-resumed train', cancelling: 'step-resumed train', paused: 'resume job_1', ...ends },
    'paused while resuming': waits,
    'resuming, cancelling': cancels,
  };
  t.strictSame(Object.keys(table), Object.keys(situations), 'a row for each situation');
  for (const [name, state] of Object.entries(situations)) {
    t.strictSame(Object.keys(table[name]!), Object.keys(tasks), `${name}: every cell is filled`);
    for (const [is, task] of Object.entries(tasks)) {
      const lookup = (id: string): KnownTask => (id === 'job_1' ? { state: task, version: 7 } : noLookup());
      t.equal(inWords(nextAction(state, lookup)), table[name]![is], `the task is ${is} while the pipeline is ${name}`);
    }
  }
  const at = (state: PipelineState, is: string) => nextAction(state, () => ({ state: tasks[is]!, version: 7 }));
  const failure = (is: string) => at(running, is);
  const told = { action: { case: 'control', value: { taskId: 'job_1', taskVersion: 7n } } };
  for (const [is, name] of [['running', 'pausing'], ['queued', 'cancelling'], ['paused', 'resuming'], ['paused', 'cancelling']] as const) t.match(at(situations[name]!, is), { request: told }, 'a task is told with the version that this rests on');
  t.match(failure('failed'), { command: { code: 'out_of_memory', reason: 'r', retryable: false } }, 'the task has tried several times itself');
  t.match(failure('unavailable'), { command: { code: 'unavailable', retryable: true } }, 'only what was away may be back by now');
  t.match(failure('cancelled'), { command: { code: 'cancelled', retryable: false } });
  t.match(failure('completed'), { command: { result: { taskId: 'job_1', kind: { case: 'task', value: taskResultOf('train') } } } });
});

/** Each as often as its number says. */
const often = <T extends string>(weights: Record<T, number>): fc.Arbitrary<T> => fc.constantFrom(...(Object.entries(weights) as [T, number][]).flatMap(([name, times]) => Array<T>(times).fill(name)));
const anyMove: fc.Arbitrary<Move> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ type: fc.constant('drive' as const), fate: often({ answered: 9, twice: 1, lost: 1, 'answer lost': 1 }), sound: often({ yes: 9, no: 1 }).map((yes) => yes === 'yes'), passes: fc.boolean(), judged: often({ yes: 19, no: 1 }).map((yes) => yes === 'yes') }) },
  { weight: 1, arbitrary: fc.constant<Move>({ type: 'crash' }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('user' as const), verb: often({ pause: 9, resume: 18, approve: 8, cancel: 1 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('task' as const), verb: often({ pause: 9, resume: 20, cancel: 1 }) }) },
  { weight: 14, arbitrary: fc.record({ type: fc.constant('work' as const), does: often({ start: 10, complete: 10, stop: 6, lose: 2, unavailable: 2, fail: 1 }) }) },
);
const anyNames = fc.constantFrom<readonly StepName[]>(stepNames, stepNames.slice(0, 5), stepNames.slice(0, 4));

/** What must hold whatever happens, read from the events. */
function check({ log, state, tasks: made }: Simulation, names: readonly StepName[]): void {
  const completed: string[] = [];
  let cancelled = false;
  let paused = false;
  let gate: boolean | undefined;
  for (const { kind } of log) {
    switch (kind.case) {
      case 'stepRequested': {
        const step = kind.value.request!.step as StepName;
        if (step !== names[completed.length]) throw new Error(`${step} was requested after ${completed.join(', ')}`);
        if (cancelled || paused) throw new Error(`${step} was requested while the pipeline was ${cancelled ? 'cancelled' : 'paused'}`);
        if ((step === 'export' || step === 'deploy') && gate !== true) throw new Error(`${step} was requested with the gate at ${gate}`);
        break;
      }
      case 'stepCompleted':
        if (kind.value.step !== names[completed.length]) throw new Error(`${kind.value.step} completed after ${completed.join(', ')}`);
        completed.push(kind.value.step);
        break;
      case 'stepResumed':
        if (paused) throw new Error('a step went on while the pipeline was paused');
        break;
      case 'gateDecided':
        if (gate !== undefined) throw new Error('two verdicts');
        gate = kind.value.passed;
        break;
      case 'pipelinePaused':
        paused = true;
        break;
      case 'pipelineResumed':
        paused = false;
        break;
      case 'pipelineCancelRequested':
        cancelled = true;
    }
  }
  if (made.size > 5) throw new Error('a step has more than one task');
  const ends = log.filter(({ kind }) => ['pipelineCompleted', 'pipelineRefused', 'pipelineFailed', 'pipelineCancelled'].includes(kind.case!)).length;
  if (ends !== (isOver(state) ? 1 : 0)) throw new Error(`${ends} ends`);
  if (state.status === 'completed' && (completed.length !== names.length || gate !== true)) throw new Error('completed without all of its steps, or the gate');
  if (state.status === 'refused' && gate !== false) throw new Error('refused without the gate');
  if (isOver(state)) for (const [id, task] of made) if (['queued', 'running', 'paused'].includes(task.state.status)) throw new Error(`${id} is left ${task.state.status} after the end`);
}

t.test('whatever happens in whatever order, a pipeline comes to one right end', async (t) => {
  const seen: Record<string, number> = {};
  fc.assert(
    fc.property(anyNames, fc.boolean(), fc.array(anyMove, { minLength: 5, maxLength: 250, size: 'max' }), (names, approval, moves) => {
      const simulation = new Simulation(names, approval);
      for (const move of moves) {
        const { state } = simulation;
        simulation.move(move);
        if (isOver(state) && simulation.state !== state) throw new Error('something happened after the end');
        // A paused pipeline lets nothing go on.
        const action = nextAction(simulation.state, simulation.lookup);
        if ((simulation.state as Pipeline).status === 'paused' && action.type === 'control' && inWords(action).startsWith('resume')) throw new Error('a paused pipeline tells its task to go on');
      }
      check(simulation, names);
      if (!simulation.settle()) throw new Error(`stuck: ${simulation.state.status}, ${inWords(nextAction(simulation.state, simulation.lookup))}`);
      check(simulation, names);
      seen[simulation.state.status] = (seen[simulation.state.status] ?? 0) + 1;
    }),
    { numRuns: 1_500 },
  );
  for (const end of ['completed', 'refused', 'failed', 'cancelled']) t.ok((seen[end] ?? 0) >= 20, `${end} was seen often enough: ${seen[end] ?? 0} times`);
});
