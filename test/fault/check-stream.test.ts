import t from 'tap';
import { AttemptOutcome } from '../../core/gen/aiforge/v1/events_pb.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { event } from '../../core/task/events.ts';
import { checkStream } from '../support/check-stream.ts';
import { checkTrained } from '../support/check-training.ts';
import { completed, ended, good, queued, report, started, write, type Forged } from '../support/forged-history.ts';
import type { FeedMessage, Told } from '../support/job-client.ts';

const listed = (): Record<string, unknown>[] => [
  {
    job_id: 'job_1', status: 'completed', progress: 100, current_epoch: 1, current_step: 12, loss: 3.5,
    created_at: '2024-01-17T12:00:00Z', updated_at: '2024-01-17T12:00:06Z', attempt: 2, project_name: 'toy',
  },
];
const feed = (sequences: number[]): FeedMessage[] => sequences.map((sequence) => ({ cursor: `${sequence}-0-0-0`, type: 'state', status: 'queued', attempt: 1 }));
const told = (given: Partial<Told> = {}): Told => ({ acknowledged: new Map([['k', 'job_1']]), feeds: new Map([['job_1', feed([1, 2, 3, 4, 5, 6, 7])]]), oddities: [], ...given });

t.test('a history as it should be passes', async (t) => {
  t.same(await checkStream(write(good()), told(), listed()), []);
});

const put = (index: number, ...forged: Forged[]): Forged[] => good().toSpliced(index, 0, ...forged);
const without = (index: number): Forged[] => good().toSpliced(index, 1);
const instead = (index: number, forged: Forged): Forged[] => good().toSpliced(index, 1, forged);

const forgeries: Record<string, { history: Forged[]; finds: RegExp }> = {
  'a task completed twice': { history: [...good(), { events: [completed] }], finds: /job_1 completed 2 times/ },
  'a task that never completed': { history: without(6), finds: /job_1 was acknowledged and is running, not completed/ },
  'a report of an attempt that is over': { history: put(4, { events: [report(1, 2)] }), finds: /reportAccepted of attempt 1, which is over/ },
  'a checkpoint of an attempt that is over': { history: put(5, { events: [event('checkpointSaved', { attempt: 1, step: 3n, epoch: 1, digest: 'd'.repeat(64), seconds: 1 })] }), finds: /checkpointSaved of attempt 1, which is over/ },
  'a report that was taken twice': { history: put(6, { events: [report(2, 1)] }), finds: /report 1 of attempt 2 after 1/ },
  'a gap in the reports': { history: instead(6, { events: [report(2, 3), ended(2), completed] }), finds: /report 3 of attempt 2 after 1/ },
  'two attempts at once': { history: without(3), finds: /attempt 2 started while another ran/ },
  'an attempt that was left out': { history: instead(4, { events: [started(3)] }), finds: /attempt 3 started after 1/ },
  'a report of an attempt that never started': { history: put(1, { events: [report(1, 1)] }), finds: /reportAccepted of attempt 1, which never started/ },
  'an event that may not follow': { history: put(1, { events: [event('taskResumed', {})] }), finds: /taskResumed while the task is queued/ },
  'a broken hash chain': { history: instead(3, { events: [ended(1, AttemptOutcome.LOST)], previousSha256: sha256Hex('another') }), finds: /4: the hash chain of task job_1 is broken/ },
  'a command carried out twice': { history: instead(4, { events: [started(2)], commandId: 'c1' }), finds: /command c1 was carried out twice/ },
  'a job that nobody was told of': { history: put(7, { events: [queued], id: 'job_2' }), finds: /job_2 is in the stream and nobody was told of it/ },
};

for (const [name, { history, finds }] of Object.entries(forgeries)) {
  t.test(`the check finds ${name}`, async (t) => {
    const problems = await checkStream(write(history), told({ feeds: new Map() }), listed());
    t.ok(problems.some((problem) => finds.test(problem)), `${finds}`, { problems });
  });
}

/** The history is good, and what the client was told is not. */
const lies: Record<string, { given?: Partial<Told>; jobs?: Record<string, unknown>[]; sequences?: number[]; finds: RegExp }> = {
  'an acknowledged job that is not there': { given: { acknowledged: new Map([['k', 'job_1'], ['l', 'job_9']]) }, finds: /job_9 was acknowledged and is not in the stream/ },
  'one job for two keys': { given: { acknowledged: new Map([['k', 'job_1'], ['l', 'job_1']]) }, finds: /one job was given to two keys/ },
  'an answer that contradicts another': { given: { oddities: ['key k was answered with job_1 and then with job_2'] }, finds: /key k was answered with/ },
  'a list that says something else': { jobs: [{ ...listed()[0], loss: 3.4 }], finds: /the list differs/ },
  'a list with a job twice': { jobs: [...listed(), ...listed()], finds: /the list differs/ },
  'a feed that missed an event': { given: { feeds: new Map([['job_1', feed([1, 2, 3, 5, 6, 7])]]) }, finds: /the feed of job_1 brought events 1 2 3 5 6 7/ },
  'a feed that brought an event twice': { given: { feeds: new Map([['job_1', feed([1, 2, 3, 4, 4, 5, 6, 7])]]) }, finds: /brought a message twice/ },
  'a sequence that is missing in the stream': { sequences: [1, 2, 3, 4, 5, 6, 8], finds: /sequence 8 stands where 7 should/ },
};

for (const [name, { given = {}, jobs = listed(), sequences, finds }] of Object.entries(lies)) {
  t.test(`the check finds ${name}`, async (t) => {
    const history = write(good()).map((stored, index) => ({ ...stored, sequence: sequences?.[index] ?? stored.sequence }));
    const problems = await checkStream(history, told(given), jobs);
    t.ok(problems.some((problem) => finds.test(problem)), `${finds}`, { problems });
  });
}

t.test('the check of an adapter finds steps that are missing, repeated or made on another state', async (t) => {
  const trained = (steps: number[], chain?: string) => {
    const made = steps.map((step) => ({ step, pid: 1 }));
    return { step: steps.at(-1)!, first: 'f', made, chain: chain ?? steps.reduce((state, step) => sha256Hex(`${state} ${step}`), 'f') };
  };
  t.same(checkTrained(trained([1, 2, 3]), 3), []);
  t.match(checkTrained(trained([1, 2]), 3), [/of step 2, not 3/]);
  t.match(checkTrained(trained([1, 3]), 3), [/not what its steps come to/, /its steps are 1 3/]);
  t.match(checkTrained(trained([1, 2, 2, 3]), 3), [/not what its steps come to/, /its steps are 1 2 2 3/]);
  t.match(checkTrained(trained([1, 2, 3], 'x'), 3), [/not what its steps come to/]);
});
