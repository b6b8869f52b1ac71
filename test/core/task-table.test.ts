import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { isForgeError } from '../../core/errors.ts';
import type { Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { TaskKind, TaskResultSchema, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { admit } from '../../core/task/admit.ts';
import type { TaskCommand, TaskCommandType } from '../../core/task/commands.ts';
import { decide } from '../../core/task/decide.ts';
import { event } from '../../core/task/events.ts';
import { evolve } from '../../core/task/evolve.ts';
import { initialState, type TaskState } from '../../core/task/state.ts';

const spec = create(TaskSpecSchema, { kind: { case: 'export', value: { jobId: 'job_1' } } });
const report = (number: number, body: object, attempt = 1) => ({ type: 'report', workerId: 'w', report: create(ReportRequestSchema, { bootId: 'b', taskId: 'x', attempt, number: BigInt(number), body: body as never }) }) as const;
const commands: Record<TaskCommandType, TaskCommand> = {
  queue: { type: 'queue', kind: TaskKind.TRAIN, project: 'p', spec, after: '', maxAttempts: 2 },
  start: { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: 'a' },
  report: report(1, { case: 'phase', value: { phase: 'training', totalSteps: 10n } }),
  lose: { type: 'lose', attempt: 1, reason: 'silent' },
  pause: { type: 'pause' },
  resume: { type: 'resume' },
  cancel: { type: 'cancel', reason: 'asked' },
  retry: { type: 'retry', requestId: '' },
  abandon: { type: 'abandon', outcome: 'failed', code: 'c', reason: 'r' },
};

/** Decides, admits and folds. */
function run(state: TaskState, command: TaskCommand): { state: TaskState; events: string[] } {
  const events: Event[] = decide(command, state);
  for (const event of events) {
    const problem = admit(state, event);
    if (problem !== undefined) throw new Error(`decided what is not admitted: ${problem}`);
    state = evolve(state, event, { id: 'x', time: 1, sequence: 1 });
  }
  return { state, events: events.map((event) => event.kind.case!) };
}
const after = (...list: TaskCommand[]): TaskState => list.reduce((state, command) => run(state, command).state, initialState);
const completed = report(1, { case: 'completed', value: { result: create(TaskResultSchema, { kind: { case: 'train', value: { adapterDigest: 'a'.repeat(64) } } }) } });
const failed = (number: number, retryable: boolean, attempt = 1) => report(number, { case: 'failed', value: { code: 'c', reason: 'r', retryable } }, attempt);
const { queue, start, pause, cancel } = commands;

const states: Record<string, TaskState> = {
  none: initialState,
  queued: after(queue),
  running: after(queue, start),
  pausing: after(queue, start, pause),
  cancelling: after(queue, start, cancel),
  paused: after(queue, pause),
  completed: after(queue, start, completed),
  failed: after(queue, start, failed(1, false)),
  cancelled: after(queue, cancel),
};

/** Events in order, or the code of the error. */
const ended = ['attemptEnded'];
const table: Record<string, Record<TaskCommandType, string[] | string>> = {
  none: { queue: ['taskQueued'], start: 'not_found', report: 'not_found', lose: 'not_found', pause: 'not_found', resume: 'not_found', cancel: 'not_found', retry: 'not_found', abandon: 'not_found' },
  queued: { queue: 'already_exists', start: ['attemptStarted'], report: 'wrong_state', lose: [], pause: ['pauseRequested', 'taskPaused'], resume: 'wrong_state', cancel: ['cancelRequested', 'taskCancelled'], retry: 'wrong_state', abandon: ['taskFailed'] },
  running: { queue: 'already_exists', start: [], report: ['reportAccepted', 'phaseEntered'], lose: ended, pause: ['pauseRequested'], resume: 'wrong_state', cancel: ['cancelRequested'], retry: 'wrong_state', abandon: [] },
  pausing: { queue: 'already_exists', start: [], report: ['reportAccepted', 'phaseEntered'], lose: ['attemptEnded', 'taskPaused'], pause: [], resume: 'wrong_state', cancel: ['cancelRequested'], retry: 'wrong_state', abandon: [] },
  cancelling: { queue: 'already_exists', start: [], report: ['reportAccepted', 'phaseEntered'], lose: ['attemptEnded', 'taskCancelled'], pause: 'wrong_state', resume: 'wrong_state', cancel: [], retry: 'wrong_state', abandon: [] },
  paused: { queue: 'already_exists', start: 'wrong_state', report: 'wrong_state', lose: [], pause: 'wrong_state', resume: ['taskResumed'], cancel: ['cancelRequested', 'taskCancelled'], retry: 'wrong_state', abandon: ['taskFailed'] },
  completed: { queue: 'already_exists', start: 'wrong_state', report: [], lose: [], pause: 'wrong_state', resume: 'wrong_state', cancel: 'wrong_state', retry: 'wrong_state', abandon: [] },
  failed: { queue: 'already_exists', start: 'wrong_state', report: [], lose: [], pause: 'wrong_state', resume: 'wrong_state', cancel: 'wrong_state', retry: ['taskRetried'], abandon: [] },
  cancelled: { queue: 'already_exists', start: 'wrong_state', report: 'wrong_state', lose: [], pause: 'wrong_state', resume: 'wrong_state', cancel: 'wrong_state', retry: 'wrong_state', abandon: [] },
};

t.test('what follows a training may be tried again after it was cancelled; a job may not', async (t) => {
  for (const kind of [TaskKind.EVALUATE, TaskKind.EXPORT, TaskKind.DEPLOY]) {
    const { state, events } = run(after({ ...queue, kind } as TaskCommand, cancel), { type: 'retry', requestId: 'r' });
    t.strictSame([events, state.status], [['taskRetried'], 'queued']);
  }
  for (const kind of [TaskKind.TRAIN, TaskKind.EXTRACT]) t.throws(() => run(after({ ...queue, kind } as TaskCommand, cancel), { type: 'retry', requestId: 'r' }), { code: 'wrong_state' });
  t.match(admit(states['cancelled']!, event('taskRetried', { requestId: '' })), /while the task is cancelled/);
});

t.test('every command in every state', async (t) => {
  t.strictSame(Object.keys(table), Object.keys(states), 'the table has a row for each state');
  for (const [name, state] of Object.entries(states)) {
    t.strictSame(Object.keys(table[name]!).sort(), Object.keys(commands).sort(), `${name}: every cell is filled`);
    for (const [type, command] of Object.entries(commands)) {
      let found: string[] | string;
      try {
        found = run(state, command).events;
      } catch (error) {
        if (!isForgeError(error)) throw error;
        found = error.code;
      }
      t.strictSame(found, table[name]![type as TaskCommandType], `${type} while ${name}`);
    }
  }
});

t.test('cancel beats pause, completion beats both', async (t) => {
  t.equal(run(states.pausing!, cancel).state.status, 'running');
  t.equal(run(after(queue, start, pause, cancel), report(1, { case: 'stopped', value: {} })).state.status, 'cancelled');
  t.equal(run(states.pausing!, completed).state.status, 'completed');
  t.equal(run(states.cancelling!, completed).state.status, 'completed');
  t.equal(run(states.pausing!, report(1, { case: 'stopped', value: {} })).state.status, 'paused');
});

t.test('a task is tried again until attempts in a row end without progress', async (t) => {
  const checkpoint = (number: number, attempt: number) => report(number, { case: 'checkpoint', value: { step: 5n, epoch: 0.5, digest: 'd'.repeat(64), seconds: 1 } }, attempt);
  t.equal(after(queue, start, failed(1, true)).status, 'queued', 'one failure');
  t.equal(after(queue, start, failed(1, true), start, failed(1, true, 2)).status, 'failed', 'two in a row, of two that may');
  const progressed = after(queue, start, failed(1, true), start, checkpoint(1, 2), failed(2, true, 2));
  t.equal(progressed.status, 'queued', 'a checkpoint between them is progress');
  t.match(run(progressed, start).state, { checkpoint: { step: 5, attempt: 2 } }, 'and the next attempt goes on from it');
  t.equal(after(queue, start, report(1, { case: 'returned', value: { reason: 'drain' } }), start, failed(1, true, 2)).status, 'queued', 'what is given back is not counted');
});

t.test('the fence', async (t) => {
  const lost = after(queue, start, commands.lose, { ...start, bootId: 'b2', askId: 'a2' } as TaskCommand);
  t.throws(() => decide(completed, lost), { code: 'wrong_state', refusal: 'over' }, 'a late completion of a lost attempt is refused');
  t.throws(() => decide({ ...report(1, {}, 2) }, lost), { code: 'wrong_state', refusal: 'over' }, 'and so is another process of the same worker');
  t.throws(() => decide(report(2, { case: 'stopped', value: {} }), states.running!), { code: 'wrong_state', refusal: 'gap' }, 'a gap is refused');
  t.throws(() => decide({ ...completed, workerId: 'other' }, states.running!), { code: 'wrong_state', refusal: 'over' }, 'another worker is not heard');
  t.strictSame(decide(completed, states.completed!), [], 'the last report sent again is a repeat');
  t.throws(() => decide(report(2, { case: 'stopped', value: {} }), states.completed!), { code: 'wrong_state', refusal: 'over' }, 'anything after it is refused');
});

t.test('what could not have been decided is not admitted', async (t) => {
  const attemptOf = (state: TaskState, command: TaskCommand) => decide(command, state);
  for (const [name, state] of Object.entries(states)) {
    for (const event of [...attemptOf(states.running!, completed), ...attemptOf(states.queued!, start), ...attemptOf(initialState, queue), ...attemptOf(states.paused!, commands.resume)]) {
      const allowed = { taskQueued: ['none'], attemptStarted: ['queued'], taskResumed: ['paused'], taskCompleted: ['queued'], attemptEnded: ['running', 'pausing', 'cancelling'], reportAccepted: ['running', 'pausing', 'cancelling'] }[event.kind.case as string]!;
      // The completed task's next attempt would be another number.
      t.equal(admit(state, event) === undefined, allowed.includes(name), `${event.kind.case} while ${name}`);
    }
  }
});

/** A training that fails by a code, as its worker tells it. */
const trainSpec = (batchSize: number, gradientAccumulation: number) => create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel: 'b', hyperparameters: { batchSize, gradientAccumulation } } } });
const training = (batchSize: number, gradientAccumulation: number, maxAttempts = 3): TaskCommand => ({ type: 'queue', kind: TaskKind.TRAIN, project: 'p', spec: trainSpec(batchSize, gradientAccumulation), after: '', maxAttempts });
const fails = (code: string, attempt: number, number = 1) => report(number, { case: 'failed', value: { code, reason: 'why', retryable: false } }, attempt);
const saves = (attempt: number, step: number, number = 1) => report(number, { case: 'checkpoint', value: { step: BigInt(step), epoch: 0.5, digest: 'd'.repeat(64), seconds: 1 } }, attempt);

t.test('memory that runs out is tried once with half the micro-batch, each step of as many examples', async (t) => {
  for (const [size, accumulation, smaller] of [[4, 2, [2, 4]], [3, 8, [1, 24]], [5, 2, [2, 5]], [7, 1, [1, 7]], [1024, 1, [512, 2]]] as const) {
    const { state, events } = run(after(training(size, accumulation), start), fails('out_of_memory', 1));
    t.strictSame(events, ['reportAccepted', 'attemptEnded', 'microBatchHalved'], `${size} x ${accumulation}`);
    t.match(state, { status: 'queued', microBatch: { batchSize: smaller[0], gradientAccumulation: smaller[1] } });
    t.match(run(after(training(size, accumulation), start, fails('out_of_memory', 1), start), fails('out_of_memory', 2)).state, { status: 'failed', code: 'out_of_memory', reason: new RegExp(`^why \\(also with micro-batches of ${smaller[0]}\\)$`) }, 'and once only');
  }
  t.match(run(after(training(1, 8), start), fails('out_of_memory', 1)).state, { status: 'failed', code: 'out_of_memory', reason: "why (a micro-batch of 1 can't be halved)" });
  t.match(run(after(training(1023, 4096), start), fails('out_of_memory', 1)).state, { status: 'failed' }, 'the trainer gathers 4096 times at most');
  t.match(run(after(training(4, 2, 1), start), fails('out_of_memory', 1)).state, { status: 'queued' }, 'it is another way, however few attempts may fail');
  t.match(run(after(training(4, 2), start, pause), fails('out_of_memory', 1)).state, { status: 'paused', microBatch: { batchSize: 2 } });
  t.match(run(after(training(4, 2), start, cancel), fails('out_of_memory', 1)).state, { status: 'cancelled' });
  t.match(run(after({ ...queue, kind: TaskKind.EXPORT } as TaskCommand, start), fails('out_of_memory', 1)).state, { status: 'failed' }, 'what is no training has no micro-batch');
});

t.test('a loss that is not finite is tried once from the last checkpoint', async (t) => {
  const saved = after(training(4, 2), start, saves(1, 5));
  const again = run(saved, fails('non_finite_loss', 1, 2)).state;
  t.match(again, { status: 'queued', checkpoint: { step: 5 } });
  t.match(run(again, start).state, { status: 'running', checkpoint: { step: 5 } });
  t.match(run(run(again, start).state, fails('non_finite_loss', 2)).state, { status: 'failed', code: 'non_finite_loss', reason: 'why (in two attempts, the second from the checkpoint of step 5)' });
  const further = after(training(4, 2), start, saves(1, 5), fails('non_finite_loss', 1, 2), start, saves(2, 9), fails('non_finite_loss', 2, 2));
  t.match(further, { status: 'failed' }, 'progress in between makes no third');
  t.match(after(training(4, 2), start, fails('non_finite_loss', 1), start, commands.lose), { status: 'running' }, 'another attempt, another number');
  const retried = run(further, { type: 'retry', requestId: 'r' }).state;
  t.match(run(run(retried, start).state, fails('non_finite_loss', 3)).state, { status: 'queued' }, 'asked for by somebody, it is tried twice again');
});

t.test('attempts that save the same checkpoint again make no progress', async (t) => {
  const once = after(training(4, 2), start, saves(1, 5), report(2, { case: 'failed', value: { code: 'c', reason: 'r', retryable: true } }));
  t.match(once, { status: 'queued', failures: 1 });
  const crash = (attempt: number) => report(2, { case: 'failed', value: { code: 'c', reason: 'r', retryable: true } }, attempt);
  t.match(run(run(run(once, start).state, saves(2, 5)).state, crash(2)).state, { status: 'queued', failures: 2 });
  t.match(run(run(run(once, start).state, saves(2, 6)).state, crash(2)).state, { status: 'queued', failures: 1 });
});

t.test('a halving that could not have been decided is not admitted', async (t) => {
  const failedOnce = after(training(4, 2), start, report(1, { case: 'failed', value: { code: 'c', reason: 'r', retryable: true } }));
  const halving = (attempt: number, batchSize: number, gradientAccumulation: number) => event('microBatchHalved', { attempt, batchSize, gradientAccumulation });
  t.equal(admit(failedOnce, halving(1, 2, 4)), undefined);
  for (const wrong of [halving(2, 2, 4), halving(1, 3, 4), halving(1, 2, 2), halving(1, 0, 8)]) t.ok(admit(failedOnce, wrong), JSON.stringify(wrong.kind.value));
  t.match(admit(evolve(failedOnce, halving(1, 2, 4), { id: 'x', time: 1, sequence: 1 }), halving(1, 1, 8)), /halved twice/);
  t.match(admit(states.running!, halving(1, 2, 4)), /while the task is running/);
  t.match(admit(states.queued!, halving(1, 2, 4)), /no training/);
});

t.test('the log of an attempt is named by its end, however it ends', async (t) => {
  const log = { digest: 'e'.repeat(64), lines: 7 };
  for (const command of [{ ...completed, log }, { ...failed(1, true), log }, { ...report(1, { case: 'stopped', value: {} }), log }, { ...report(1, { case: 'returned', value: { reason: 'r' } }), log }, { ...commands.lose, log } as TaskCommand]) {
    t.match(run(states.running!, command).state, { ended: [{ logDigest: log.digest, logLines: 7 }] });
  }
  t.match(run(states.running!, completed).state, { ended: [{ logDigest: '', logLines: 0 }] }, 'none where there is none');
});

t.test('an attempt keeps the hash of its secret, and nothing else is one', async (t) => {
  const secretSha256 = new Uint8Array(32).fill(7);
  t.strictSame((after(queue, { ...start, secretSha256 } as TaskCommand) as { attempt: { secretSha256: Uint8Array } }).attempt.secretSha256, secretSha256);
  t.strictSame((states.running as { attempt: { secretSha256: Uint8Array } }).attempt.secretSha256.length, 0, 'a worker of an earlier version has none');
  t.throws(() => decide({ ...start, secretSha256: new Uint8Array(31) } as TaskCommand, states.queued!), { code: 'invalid_argument', message: /^secret_sha256: / });
});
