import t from 'tap';
import type { Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { modelAggregate, type ModelCommand, type ModelState } from '../../core/model/model.ts';
import { event } from '../../core/task/events.ts';

const { initialState, decide, admit } = modelAggregate;

/** Decides, admits and folds. */
function run(state: ModelState, command: ModelCommand, time = 1): { state: ModelState; events: Event[] } {
  const events = decide(command, state);
  for (const event of events) {
    const problem = admit(state, event);
    if (problem !== undefined) throw new Error(`decided what is not admitted: ${problem}`);
    state = modelAggregate.evolve(state, event, { id: 'p', time, sequence: 1 });
  }
  return { state, events };
}
const after = (state: ModelState, ...commands: ModelCommand[]): ModelState => commands.reduce((now, command) => run(now, command).state, state);
const request = (jobId: string, taskId = `${jobId}.deploy`): ModelCommand => ({ type: 'request-deploy', jobId, taskId });
const version = (jobId: string): ModelCommand => ({ type: 'create-version', jobId, ggufDigest: `${jobId} gguf`, backend: 'ollama', backendDigest: 'e' });
const promote = (jobId: string, taskId = `${jobId}.deploy`): ModelCommand => ({ type: 'promote', jobId, taskId });
const deploy = (jobId: string, taskId?: string): ModelCommand[] => [request(jobId, taskId), version(jobId), promote(jobId, taskId)];
/** By somebody who has seen that `from` is served, and `to` was before it. */
const rollback = (requestId: string, from: string, to: string): ModelCommand => ({ type: 'rollback', requestId, from, to });
const [a, b, c] = ['job_a', 'job_b', 'job_c'];
const served = after(initialState, ...deploy(a), ...deploy(b), ...deploy(c));

t.test('a rollback puts the version before back, in one step', async (t) => {
  t.strictSame(served.history, [a, b, c]);
  const { state, events } = run(served, rollback('1', c, b), 9);
  t.strictSame(events, [event('deployRequested', { jobId: b, taskId: 'rollback:1' }), event('aliasMoved', { jobId: b, rollback: true })]);
  t.match(state, { target: b, history: [a, b], movedAt: 9 });
  t.strictSame(state.versions, served.versions, 'the versions stay as they are');
  const twice = after(state, rollback('2', b, a));
  t.match(twice, { target: a, history: [a] }, 'the next one goes one further');
  t.throws(() => decide(rollback('3', a, ''), twice), { code: 'wrong_state', field: 'name' }, 'and before the first there is nothing');
  t.throws(() => decide(rollback('1', '', ''), initialState), { code: 'wrong_state' });
  t.throws(() => decide(rollback('1', '', a), after(initialState, request(a), version(a))), { code: 'wrong_state' }, 'a version that was never served is none to go back to');
});

t.test('the same rollback again is a repeat', async (t) => {
  const back = after(served, rollback('1', c, b));
  t.strictSame(decide(rollback('1', c, b), back), []);
  t.strictSame(back.rollbacks, [{ requestId: '1', from: c, to: b }]);
  const later = after(back, ...deploy('job_d'));
  t.strictSame(decide(rollback('1', 'job_d', b), later), [], 'also when something else was deployed since');
});

t.test('a rollback goes where its caller has seen that it goes, or nowhere', async (t) => {
  const moved = { code: 'wrong_state', field: 'name', message: /meanwhile.*try again/ };
  t.throws(() => decide(rollback('2', c, b), after(served, rollback('1', c, b))), moved, 'of two at a time the second');
  t.throws(() => decide(rollback('1', c, b), after(served, ...deploy('job_d'))), moved, 'after a deploy');
  t.throws(() => decide(rollback('1', c, a), served), moved);
});

t.test('a deploy under way does not undo a rollback', async (t) => {
  const underWay = after(served, request('job_d'), version('job_d'), rollback('1', c, b));
  t.equal(underWay.target, b);
  t.strictSame(decide(promote('job_d'), underWay), []);
  t.equal(after(underWay, ...deploy('job_d', 'again')).target, 'job_d', 'one that is asked for afterwards counts');
});

t.test('what was rolled back can be deployed again', async (t) => {
  const back = after(served, rollback('1', c, b));
  const again = after(back, ...deploy(c, `${c}.deploy.again`));
  t.match(again, { target: c, history: [a, b, c] });
  t.equal(after(again, rollback('2', c, b)).target, b);
  t.equal(after(back, ...deploy(c)).target, c, 'under the id of its first deploy too');
});

t.test('a history with one model twice goes back by moves, not by models', async (t) => {
  const state = after(served, ...deploy(a, 'a again'));
  t.strictSame(state.history, [a, b, c, a]);
  t.equal(after(state, rollback('1', a, c)).target, c);
  t.equal(after(state, rollback('1', a, c), rollback('2', c, b)).target, b);
  t.strictSame(decide(promote(a, 'a once more'), after(state, request(a, 'a once more'))), [], 'deploying what is served makes no history');
});

t.test('what could not have been decided is not admitted', async (t) => {
  const back = (jobId: string) => event('aliasMoved', { jobId, rollback: true });
  t.equal(admit(served, back(b)), undefined);
  for (const jobId of [a, c, 'job_d']) t.match(admit(served, back(jobId)), `the alias went back to ${jobId}, where it was not before`);
  t.match(admit(after(initialState, ...deploy(a)), back(a)), /was not before/);
  t.match(admit(served, event('aliasMoved', { jobId: 'job_d' })), /has no version/);
  t.equal(admit(served, event('aliasMoved', { jobId: a })), undefined);
  t.match(admit(served, event('taskPaused', {})), /does not belong to a model/);
});

t.test('a version that is deleted is served no more, and is no place to go back to', async (t) => {
  const remove = (jobId: string): ModelCommand => ({ type: 'delete-version', jobId });
  const { state, events } = run(served, remove(b));
  t.strictSame(events, [event('versionDeleted', { jobId: b })]);
  t.strictSame(state.versions.map((version) => version.jobId), [a, c]);
  t.match(state, { target: c, history: [a, c], deleted: [b] });
  t.equal(after(state, rollback('1', c, a)).target, a);
  t.strictSame(decide(remove(b), state), [], 'again it is a repeat');
  t.throws(() => decide(remove(c), served), { code: 'wrong_state', field: 'model', message: /points to this version/ });
  t.throws(() => decide(remove('job_x'), served), { code: 'not_found', field: 'model' });
  t.throws(() => decide(promote(b, 'b again'), after(state, request(b, 'b again'))), { code: 'wrong_state' }, 'it can\u2019t be promoted');
  t.match(after(state, ...deploy(b, 'b again')), { target: b, deleted: [], history: [a, c, b] }, 'deployed again it is there again');
  t.strictSame(after(served, ...deploy(a, 'a again'), remove(c), remove(b)).history, [a], 'what was served before and after it is one place');
});

t.test('an alias that is deleted points nowhere until the next deployment', async (t) => {
  const gone = after(served, request('job_d'), version('job_d'), { type: 'delete-alias' });
  t.match(gone, { target: undefined, history: [], requested: undefined });
  t.equal(gone.versions.length, 4, 'versions stay');
  t.strictSame(decide({ type: 'delete-alias' }, gone), []);
  t.strictSame(decide(promote('job_d'), gone), [], 'the deploy that was under way does not bring it back');
  t.match(after(gone, ...deploy(a, 'a again')), { target: a, history: [a] });
});

t.test('no deletion is admitted that could not have been decided', async (t) => {
  t.match(admit(served, event('versionDeleted', { jobId: c })), /while the alias points to it/);
  t.equal(admit(served, event('versionDeleted', { jobId: a })), undefined);
  t.match(admit(initialState, event('aliasDeleted', {})), /where there is none/);
  t.equal(admit(served, event('aliasDeleted', {})), undefined);
});
