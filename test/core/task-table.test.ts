import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { isForgeError } from '../../core/errors.ts';
import type { Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { TaskKind, TaskResultSchema, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { admit } from '../../core/task/admit.ts';
import type { TaskCommand, TaskCommandType } from '../../core/task/commands.ts';
import { decide } from '../../core/task/decide.ts';
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
    state = evolve(state, event, { id: 'x', time: 1 });
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

t.test('an attempt keeps the hash of its secret, and nothing else is one', async (t) => {
  const secretSha256 = new Uint8Array(32).fill(7);
  t.strictSame((after(queue, { ...start, secretSha256 } as TaskCommand) as { attempt: { secretSha256: Uint8Array } }).attempt.secretSha256, secretSha256);
  t.strictSame((states.running as { attempt: { secretSha256: Uint8Array } }).attempt.secretSha256.length, 0, 'a worker of an earlier version has none');
  t.throws(() => decide({ ...start, secretSha256: new Uint8Array(31) } as TaskCommand, states.queued!), { code: 'invalid_argument', message: /^secret_sha256: / });
});
