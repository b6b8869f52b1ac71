import t from 'tap';
import { AttemptOutcome, type Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { event } from '../../core/task/events.ts';
import { tornChain } from '../support/broken-rules.ts';
import { checkOutcomes, type Promised } from '../support/check-outcomes.ts';
import { checkChain } from '../support/check-stream.ts';
import { completed, ended, good, queued, started, write, type Forged } from '../support/forged-history.ts';

const told = (given: Partial<Promised> = {}): Promised => ({ acknowledged: new Map([['k', 'job_1']]), ends: [{ jobId: 'job_1', status: 'completed' }], ...given });
const failed = event('taskFailed', { code: 'c', reason: 'r' });
const cancelled = event('taskCancelled', { reason: 'asked' });
const retried = event('taskRetried', { requestId: 'r' });
/** A job that failed, was tried again, and then completed. */
const again: Forged[] = [queued, started(1), [ended(1, AttemptOutcome.FAILED), failed], retried, started(2), [ended(2), completed]].map((events) => ({ events: [events].flat() as Event[] }));

t.test('one outcome, and one more for each time that a failed task was tried again, is as it should be', async (t) => {
  t.same(checkOutcomes(write(good()), told()), []);
  t.same(checkOutcomes(write(again), told({ ends: [{ jobId: 'job_1', status: 'failed' }, { jobId: 'job_1', status: 'completed' }] })), []);
});

t.test('an export that was cancelled and asked for again is as it should be', async (t) => {
  const asExport = event('taskQueued', { kind: TaskKind.EXPORT, project: 'p' });
  const history = write([asExport, cancelled, retried, started(1), [ended(1), completed]].map((events) => ({ events: [events].flat() as Event[], id: 'job_1.export' })));
  t.same(checkOutcomes([...write(good()), ...history], told()), []);
});

const wrong: Record<string, { history?: Forged[]; given?: Partial<Promised>; finds: RegExp }> = {
  'two outcomes': { history: [...good(), { events: [cancelled] }], finds: /job_1 has 2 outcomes: completed, cancelled/ },
  'an event after the end': { history: [...good(), { events: [started(3)] }], finds: /attemptStarted after it had completed/ },
  'a retry of what is completed': { history: [...good(), { events: [retried] }], finds: /taskRetried after it had completed/ },
  'a retry of a job that was cancelled': { history: [...good().slice(0, 1), { events: [cancelled] }, { events: [retried] }], finds: /taskRetried after it had cancelled/ },
  'a second failure without a retry': { history: [...again.slice(0, 3), { events: [failed] }], finds: /job_1 has 2 outcomes/ },
  'a task that never ended': { history: good().slice(0, -1), finds: /job_1 is stuck: it is unfinished/ },
  'a task that stays paused': { history: [...good().slice(0, 1), { events: [event('taskPaused', {})] }], finds: /job_1 is stuck: it is paused/ },
  'a task that was queued twice': { history: [{ events: [queued] }, ...good()], finds: /job_1 was queued twice/ },
  'an acknowledged job that is not there': { given: { acknowledged: new Map([['k', 'job_1'], ['l', 'job_2']]) }, finds: /job_2 was acknowledged and is not in the stream/ },
  'a job that nobody was told of': { given: { acknowledged: new Map() }, finds: /job_1 is in the stream and nobody was told of it/ },
  'one job for two keys': { given: { acknowledged: new Map([['k', 'job_1'], ['l', 'job_1']]) }, finds: /one job was given to two keys/ },
  'an end that is not the one that was told': { given: { ends: [{ jobId: 'job_1', status: 'cancelled' }] }, finds: /was told that job_1 is cancelled, and it is completed/ },
  'a failure that was told and never was': { given: { ends: [{ jobId: 'job_1', status: 'failed' }] }, finds: /was told that job_1 is failed, and it is completed/ },
};

for (const [name, { history = good(), given, finds }] of Object.entries(wrong)) {
  t.test(`the check finds ${name}`, async (t) => {
    const problems = checkOutcomes(write(history), told(given));
    t.ok(problems.some((problem) => finds.test(problem)), `${finds}`, { problems });
  });
}

t.test('bytes that were changed where they lie break the chain', async (t) => {
  t.same(checkChain(write(good())), []);
  t.match(checkChain(tornChain(write(good()))), [/the hash chain of task job_1 is broken/]);
});
