import { create } from '@bufbuild/protobuf';
import { isForgeError } from '../../core/errors.ts';
import type { Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { StepRequest } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { PipelineCommand } from '../../core/pipeline/commands.ts';
import { nextAction, type Action, type KnownTask } from '../../core/pipeline/next-action.ts';
import { initialState, isOver, type PipelineState, type StepName } from '../../core/pipeline/state.ts';
import type { TaskCommand } from '../../core/task/commands.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { passingGate, planOf, refusingGate, run, stepResultOf, taskIds, taskResultOf } from './pipeline-support.ts';

/** What happens next, anywhere. The driver's work is cut in two, so that anything may come between its halves. */
export type Move =
  /** The driver begins what is due, or goes on with what it has begun; with the fate of a message, of the dataset and of the model. */
  | { type: 'drive'; fate: 'answered' | 'twice' | 'lost' | 'answer lost'; sound: boolean; passes: boolean; judged: boolean }
  | { type: 'crash' }
  | { type: 'user'; verb: 'pause' | 'resume' | 'cancel' | 'approve' }
  /** Somebody stops or starts the step's task by hand. */
  | { type: 'task'; verb: 'pause' | 'resume' | 'cancel' }
  | { type: 'work'; does: 'start' | 'complete' | 'stop' | 'lose' | 'fail' | 'unavailable' };

const kinds: Partial<Record<StepName, TaskKind>> = { extract_data: TaskKind.EXTRACT, train: TaskKind.TRAIN, evaluate: TaskKind.EVALUATE, export: TaskKind.EXPORT, deploy: TaskKind.DEPLOY };

/** A pipeline with its driver, a gateway and workers, all as pure folds: the real deciders, and messages that get lost. */
export class Simulation {
  state: PipelineState = initialState;
  readonly tasks = new Map<string, KnownTask & { step: StepName }>();
  readonly log: Event[] = [];
  /** What the driver has begun: a crash forgets it. */
  #begun: { action: Action; answer?: PipelineCommand } | undefined;

  constructor(names: readonly StepName[], requireApproval: boolean) {
    this.execute({ type: 'plan', plan: planOf(names, requireApproval) });
  }

  execute(command: PipelineCommand): void {
    const { state, events } = run(this.state, command);
    this.state = state;
    this.log.push(...events);
  }

  readonly lookup = (taskId: string): KnownTask => this.tasks.get(taskId) ?? { state: taskAggregate.initialState, version: 0 };

  move(move: Move): void {
    switch (move.type) {
      case 'drive':
        return this.#drive(move);
      case 'crash':
        this.#begun = undefined;
        return;
      case 'user':
        return allowed(() => this.execute(move.verb === 'cancel' ? { type: 'cancel', reason: 'asked' } : { type: move.verb }));
      case 'task':
        for (const id of this.tasks.keys()) allowed(() => this.#task(id, move.verb === 'cancel' ? { type: 'cancel', reason: 'asked' } : { type: move.verb }));
        return;
      case 'work':
        for (const id of this.tasks.keys()) this.#work(id, move.does);
    }
  }

  #drive({ fate, sound, passes, judged }: Extract<Move, { type: 'drive' }>): void {
    if (this.#begun === undefined) {
      const action = nextAction(this.state, this.lookup);
      if (action.type === 'wait') return;
      this.#begun = { action };
      if (action.type === 'send' || action.type === 'control') {
        const times = { answered: 1, twice: 2, lost: 0, 'answer lost': 1 }[fate];
        for (let time = 0; time < times; time++) this.#carryOut(action.request);
        if (fate === 'lost' || fate === 'answer lost') this.#begun = undefined;
      }
      return;
    }
    const { action } = this.#begun;
    this.#begun = undefined;
    switch (action.type) {
      case 'append':
        return this.execute(action.command);
      case 'send':
        return this.execute({ type: 'accept-step', step: action.step.name, try: action.step.try, taskId: taskIds[action.step.name] });
      case 'validate': {
        const about = { step: action.step.name, try: action.step.try };
        return this.execute(sound ? { type: 'complete-step', ...about, result: stepResultOf('validate_data') } : { type: 'fail-step', ...about, code: 'bad_dataset', reason: 'leak', retryable: false });
      }
      case 'gate':
        return this.execute(!judged ? { type: 'fail-gate', code: 'input_missing', reason: 'gone' } : passes ? passingGate : refusingGate);
    }
  }

  /** The gateway's side: a task under an id of its own, however often it is asked for. */
  #carryOut({ requestId, step, action }: StepRequest): void {
    if (action.case === 'control') {
      const { taskId, verb, taskVersion } = action.value;
      if (BigInt(this.lookup(taskId).version) !== taskVersion) return;
      return allowed(() => this.#task(taskId, verb === 'cancel' ? { type: 'cancel', reason: 'asked' } : { type: verb as 'pause' | 'resume' }));
    }
    const name = step as StepName;
    const id = taskIds[name];
    if (!this.tasks.has(id)) {
      this.tasks.set(id, { state: taskAggregate.initialState, version: 0, step: name });
      this.#task(id, { type: 'queue', kind: kinds[name]!, project: 'p', spec: create(TaskSpecSchema, { kind: action as never }), after: '', maxAttempts: 2 });
    } else if (this.lookup(id).state.status === 'failed') {
      this.#task(id, { type: 'retry', requestId });
    }
  }

  #work(id: string, does: Extract<Move, { type: 'work' }>['does']): void {
    const { state, step } = this.tasks.get(id)!;
    if (state.status === 'queued' && does === 'start') return this.#task(id, { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: `${state.ended.length}` });
    if (state.status !== 'running' || does === 'start') return;
    const { number, reported } = state.attempt;
    if (does === 'lose') return this.#task(id, { type: 'lose', attempt: number, reason: 'silent' });
    if (does === 'stop' && state.requested === 'none') return;
    const body = {
      complete: { case: 'completed', value: { result: taskResultOf(step) } },
      stop: { case: 'stopped', value: {} },
      fail: { case: 'failed', value: { code: 'bad_config', reason: 'r', retryable: false } },
      unavailable: { case: 'failed', value: { code: 'unavailable', reason: 'r', retryable: false } },
    }[does];
    this.#task(id, { type: 'report', workerId: 'w', report: create(ReportRequestSchema, { bootId: 'b', taskId: id, attempt: number, number: BigInt(reported + 1), body: body as never }) });
  }

  #task(id: string, command: TaskCommand): void {
    const entry = this.tasks.get(id)!;
    for (const event of taskAggregate.decide(command, entry.state)) {
      const problem = taskAggregate.admit(entry.state, event);
      if (problem !== undefined) throw new Error(problem);
      entry.state = taskAggregate.evolve(entry.state, event, { id, time: 1, sequence: 1 });
      entry.version += 1;
    }
  }

  /** All is answered, nothing stays paused, and whoever works comes to an end. @returns whether the pipeline has ended */
  settle(): boolean {
    for (let round = 0; round < 200 && !isOver(this.state); round++) {
      const { state } = this;
      if (state.status === 'waiting_approval') this.move({ type: 'user', verb: 'approve' });
      if (state.status === 'paused' && state.requested === 'none' && nextAction(state, this.lookup).type === 'wait') this.move({ type: 'user', verb: 'resume' });
      else if (state.status === 'running' && nextAction(state, this.lookup).type === 'wait') this.move({ type: 'task', verb: 'resume' });
      for (const does of ['start', 'stop', 'complete'] as const) this.move({ type: 'work', does });
      for (let half = 0; half < 2; half++) this.move({ type: 'drive', fate: 'answered', sound: true, passes: true, judged: true });
    }
    return isOver(this.state);
  }
}

/** A refusal of what somebody asks for is an answer; any other error is a fault. */
function allowed(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!isForgeError(error, 'wrong_state')) throw error;
  }
}
