import { create, type MessageInitShape } from '@bufbuild/protobuf';
import t from 'tap';
import { DecisionMadeSchema, PipelinePlannedSchema, ProjectRegisteredSchema, RetrainPendingSchema, type Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { ChangeMetricsSchema } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { projectAggregate, type ProjectCommand, type ProjectState } from '../../core/project/project.ts';
import { event } from '../../core/task/events.ts';

const { initialState, decide, admit } = projectAggregate;
const settings: MessageInitShape<typeof ProjectRegisteredSchema> = { repository: '/repository', ref: 'main', watch: true, policy: { filesChanged: 20 } };
const registration = create(ProjectRegisteredSchema, settings);
const plan = create(PipelinePlannedSchema, { project: 'p', trigger: 'request', source: { repository: '/repository', commit: 'c1' } });
const figures: MessageInitShape<typeof ChangeMetricsSchema> = { filesChanged: 5n, commitsSinceLastTrain: 2n, headCommit: 'c1', ageHours: 3 };
const no = (changes: { metrics?: typeof figures; reason?: string; trigger?: string } = {}) =>
  create(DecisionMadeSchema, { retrain: false, reason: 'nothing to do: 5 files changed (threshold: 20)', trigger: 'watch', ...changes, metrics: create(ChangeMetricsSchema, { ...figures, ...changes.metrics } as typeof figures) });
const yes = create(DecisionMadeSchema, { retrain: true, reason: '20 files changed (threshold: 20)', trigger: 'watch', pipelineId: 'agent_1' });
const pending = (trigger: string) => create(RetrainPendingSchema, { trigger, request: { projectName: 'p' } });

const register: ProjectCommand = { type: 'register', registration };
const start: ProjectCommand = { type: 'start-pipeline', pipelineId: 'agent_1', plan, decision: yes };
const end: ProjectCommand = { type: 'end-pipeline', pipelineId: 'agent_1', status: 'failed' };
const pend: ProjectCommand = { type: 'pend', pending: pending('request') };
const removed = (deletedAt: number): ProjectCommand => ({ type: 'blobs-removed', deletedAt, blobs: 1n, bytes: 1n });
const look = (decision = no()): ProjectCommand => ({ type: 'decide', decision });

/** Decides, admits and folds. */
function run(state: ProjectState, command: ProjectCommand, time = 1): { state: ProjectState; events: string[] } {
  const events: Event[] = decide(command, state);
  for (const event of events) {
    const problem = admit(state, event);
    if (problem !== undefined) throw new Error(`decided what is not admitted: ${problem}`);
    state = projectAggregate.evolve(state, event, { id: 'p', time, sequence: 1 });
  }
  return { state, events: events.map(({ kind }) => kind.case!) };
}
const after = (...commands: ProjectCommand[]): ProjectState => commands.reduce((state, command, index) => run(state, command, index + 1).state, initialState);
const events = (state: ProjectState, command: ProjectCommand): string[] => run(state, command).events;

t.test('a name is registered once', async (t) => {
  t.strictSame(events(initialState, register), ['projectRegistered']);
  const registered = after(register);
  t.match(registered, { registration, registeredAt: 1, deletedAt: 0 });
  t.strictSame(events(registered, { type: 'register', registration: create(ProjectRegisteredSchema, settings) }), [], 'the same again is a repeat');
  const others: MessageInitShape<typeof ProjectRegisteredSchema>[] = [{ ref: 'other' }, { watch: false }, { repository: '', url: 'https://example.org/r' }, { policy: { filesChanged: 21 } }, { autoDeploy: true }];
  for (const other of others) {
    const registration = create(ProjectRegisteredSchema, { ...settings, ...other } as typeof settings);
    t.throws(() => decide({ type: 'register', registration }, registered), { code: 'already_exists', field: 'name' }, `with ${Object.keys(other).join(', ')} that differs`);
  }
});

t.test('a project is deleted when no pipeline runs', async (t) => {
  t.throws(() => decide({ type: 'delete' }, initialState), { code: 'not_found', field: 'name' });
  t.throws(() => decide({ type: 'delete' }, after(register, start)), { code: 'wrong_state', field: 'name', message: /agent_1/ });
  const deleted = after(register, start, pend, end, { type: 'delete' });
  t.match(deleted, { registration: undefined, registeredAt: 0, deletedAt: 5, pending: undefined, lastTry: undefined }, 'what was tried and what waits go with it');
  t.throws(() => decide({ type: 'delete' }, deleted), { code: 'not_found' });
  t.strictSame(events(after(register), removed(0)), [], 'blobs of a project that was never deleted are not removed');
  t.strictSame(events(deleted, removed(5)), ['projectBlobsRemoved']);
  t.equal(run(deleted, removed(5)).state.deletedAt, 0);
});

t.test('a deleted name can be registered anew, with other settings', async (t) => {
  const other = create(ProjectRegisteredSchema, { url: 'https://example.org/r' });
  const again = after(register, look(), start, end, { type: 'delete' }, { type: 'register', registration: other });
  t.match(again, { registration: other, registeredAt: 6, deletedAt: 5, forgottenAt: 5, active: undefined, lastTry: undefined }, 'what was deleted still has to be removed');
  t.strictSame(events(again, removed(5)), ['projectBlobsRemoved']);
  t.match(run(again, removed(5)).state, { registration: other, deletedAt: 0, forgottenAt: 5 });
  t.strictSame(again.leftMirrors, [], 'a local repository has no mirror');
  const twice = run(again, { type: 'delete' }, 7).state;
  t.strictSame(twice.leftMirrors, ['https://example.org/r']);
  t.strictSame(run(twice, register, 8).state.leftMirrors, ['https://example.org/r']);
  t.strictSame(run(twice, removed(7), 8).state.leftMirrors, []);
  t.strictSame(events(twice, removed(5)), [], 'a sweep for the first deletion says nothing of the second');
  t.strictSame(events(twice, removed(7)), ['projectBlobsRemoved']);
});

t.test('a "no" is recorded when its figures changed', async (t) => {
  t.strictSame(events(after(register), look()), ['decisionMade'], 'the first');
  const decided = after(register, look());
  t.strictSame(events(decided, look()), [], 'the same again is no news');
  t.strictSame(events(decided, look(no({ trigger: 'webhook' }))), [], 'nor who asked');
  const older = no({ metrics: { ageHours: 4 }, reason: 'nothing to do: 5 files changed (threshold: 20), trained 4 hours ago (limit: 100)' });
  t.strictSame(events(decided, look(older)), [], 'nor age, in the figures and in the words');
  t.strictSame(events(decided, look(no({ metrics: { filesChanged: 6n } }))), ['decisionMade'], 'another figure is');
  t.strictSame(events(decided, look(no({ metrics: { headCommit: 'c2' } }))), ['decisionMade'], 'another commit is');
  t.strictSame(events(decided, look(no({ metrics: { newTags: ['v1'] } }))), ['decisionMade'], 'another tag is');
  t.strictSame(events(after(register, start, end), look()), ['decisionMade'], 'a "no" after a "yes" is');
  t.strictSame(after(register, look(), look(no({ metrics: { filesChanged: 6n } }))).decisions.map(({ at, made }) => [at, made.metrics?.filesChanged]), [[2, 5n], [3, 6n]], 'the oldest first');
});

t.test('only the last decisions are kept in memory', async (t) => {
  const many = Array.from({ length: 501 }, (_, n) => look(no({ metrics: { filesChanged: BigInt(n) } })));
  const { decisions } = after(...many);
  t.strictSame([decisions.length, decisions[0]!.made.metrics!.filesChanged, decisions.at(-1)!.made.metrics!.filesChanged], [500, 1n, 500n]);
  t.strictSame([decisions[0]!.number, decisions.at(-1)!.number], [2, 501], 'each by its own number');
});

t.test('a clock that was set back changes no order', async (t) => {
  const different = Array.from({ length: 4 }, (_, n) => look(no({ metrics: { filesChanged: BigInt(n) } })));
  const { decisions } = [5, 9, 7, 12].reduce((state, time, n) => run(state, different[n]!, time).state, initialState);
  t.strictSame(decisions.map(({ number, at, order }) => [number, at, order]), [[1, 5, 5], [2, 9, 9], [3, 7, 9], [4, 12, 12]]);
});

t.test('a project has one pipeline at a time', async (t) => {
  t.strictSame(events(after(register), start), ['decisionMade', 'pipelineStarted']);
  t.strictSame(events(initialState, start), ['decisionMade', 'pipelineStarted'], 'on request also where nothing is registered');
  for (const trigger of ['watch', 'webhook']) {
    const unasked: ProjectCommand = { ...start, plan: { ...plan, trigger } };
    t.strictSame(events(after(register), unasked), ['decisionMade', 'pipelineStarted'], trigger);
    for (const state of [initialState, after(register, { type: 'delete' })]) t.throws(() => decide(unasked, state), { code: 'not_found', field: 'name' }, `${trigger}: of a look that was under way when the project was deleted`);
  }
  const active = after(register, start);
  t.match(active, { active: { pipelineId: 'agent_1', plan }, decisions: [{ made: yes }] });
  t.strictSame(events(active, start), [], 'the same again is a repeat');
  t.throws(() => decide({ ...start, pipelineId: 'agent_2' }, active), { code: 'wrong_state', message: /agent_1/ }, 'never two');
  t.strictSame(events(active, { ...end, pipelineId: 'agent_2' }), [], 'the end of another one');
  t.strictSame(events(active, end), ['pipelineEnded']);
  const ended = after(register, start, end);
  t.match(ended, { active: undefined, lastTry: { pipelineId: 'agent_1', commit: 'c1', status: 'failed', at: 3 } });
  t.strictSame(events(ended, end), [], 'it ends once');
  t.strictSame(events(ended, { ...start, pipelineId: 'agent_2' }), ['decisionMade', 'pipelineStarted']);
});

t.test('what is asked for while a pipeline runs waits for its end', async (t) => {
  t.strictSame(events(after(register), pend), [], 'nothing waits where none runs');
  const waiting = after(register, start, pend);
  t.equal(waiting.pending?.trigger, 'request');
  t.equal(run(waiting, { type: 'pend', pending: pending('webhook') }).state.pending?.trigger, 'webhook', 'the last one waits');
  t.equal(run(waiting, look()).state.pending?.trigger, 'request', 'a decision in between does not answer it');
  const ended = after(look(), start, pend, end);
  t.equal(ended.pending?.trigger, 'request');
  t.strictSame(events(ended, look()), ['decisionMade']);
  t.equal(run(ended, look()).state.pending, undefined, 'the decision after the end answers it');
  t.equal(run(ended, { ...start, pipelineId: 'agent_2' }).state.pending, undefined, 'and so does the pipeline that follows');
  // The figures are those of the last "no": who waits is answered all the same.
  const same = after(register, look(), start, pend, end);
  const restarted = { ...same, decisions: [{ number: 1, made: no(), at: 1, order: 1 }] };
  t.strictSame(events(restarted, look()), ['decisionMade']);
  t.strictSame(events(run(restarted, look()).state, look()), [], 'once');
});

t.test('what could not have been decided is not admitted', async (t) => {
  const states = { none: initialState, registered: after(register), active: after(register, start), ended: after(register, start, end), deleted: after(register, { type: 'delete' }) };
  const started = event('pipelineStarted', { pipelineId: 'agent_2', plan });
  const cases: [Event, (keyof typeof states)[]][] = [
    [event('projectRegistered', registration), ['none', 'deleted']],
    [event('projectDeleted', {}), ['registered', 'ended']],
    [event('projectBlobsRemoved', {}), ['deleted']],
    [event('decisionMade', no()), ['none', 'registered', 'active', 'ended', 'deleted']],
    [started, ['none', 'registered', 'ended', 'deleted']],
    [event('pipelineStarted', { pipelineId: 'agent_2' }), []],
    [event('pipelineEnded', { pipelineId: 'agent_1' }), ['active']],
    [event('pipelineEnded', { pipelineId: 'agent_2' }), []],
    [event('retrainPending', pending('request')), ['active']],
    [event('taskPaused', {}), []],
  ];
  for (const [event, allowed] of cases) for (const [name, state] of Object.entries(states)) t.equal(admit(state, event) === undefined, (allowed as string[]).includes(name), `${event.kind.case} while ${name}`);
});
