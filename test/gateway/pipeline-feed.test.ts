import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import t, { type Test } from 'tap';
import { JobStatus, WatchJobResponseSchema, type WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import type { Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { initialState, type PipelineState } from '../../core/pipeline/state.ts';
import { encodeEnvelope, sha256Hex } from '../../core/store/envelope.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { event } from '../../core/task/events.ts';
import { watchPipeline } from '../../gateway/retrain/watch.ts';
import { accept, complete, fail, passingGate, pipelineId, planOf, request, run, taskIds } from '../core/pipeline-support.ts';

t.setTimeout(20_000);

type Move = (state: PipelineState) => Parameters<typeof run>[1];

/** A real fold, in which a test writes a pipeline's envelopes, and a job's feed as it is told from history. */
async function scene(t: Test, feed: readonly WatchJobResponse[]) {
  const store = createMemoryStore();
  const ledger = new Ledger({ store, aggregates: [pipelineAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  let [version, sha256] = [0, ''];
  let state = initialState;
  const append = async (events: Event[]): Promise<void> => {
    const bytes = encodeEnvelope('pipeline', pipelineId, { commandId: `c${version}`, actor: 'test', time: version + 1 }, sha256, events);
    version = await store.append('pipeline', pipelineId, bytes, version);
    sha256 = sha256Hex(bytes);
    await ledger.waitFor(version);
  };
  const move = async (...moves: Move[]): Promise<void> => {
    for (const each of moves) {
      const { state: next, events } = run(state, each(state));
      state = next;
      await append(events);
    }
  };
  async function* watchJob(jobId: string, after: string): AsyncIterable<WatchJobResponse> {
    t.equal(jobId, taskIds.train);
    for (const message of feed) if (Number.parseInt(message.cursor) > (Number.parseInt(after) || 0)) yield message;
  }
  /** Each message in words. @param take how many; without it all */
  const told = async (after = '', take = Infinity): Promise<{ text: string; cursor: string }[]> => {
    const messages = [];
    for await (const { message, step, status, cursor } of watchPipeline({ ledger, store, watchJob }, pipelineId, after, AbortSignal.timeout(10_000))) {
      messages.push({ text: `${step === undefined ? message!.replace(/ task .*/, ' task').replace(/: (c0ffee|8.0|held|gone).*/, '') : `step ${step}`} (${status})`, cursor: cursor! });
      if (messages.length === take) break;
    }
    return messages;
  };
  await move(() => ({ type: 'plan', plan: planOf(['extract_data', 'validate_data', 'train', 'evaluate', 'export']) }));
  return { append, move, told };
}

/** A job that failed after two steps and was retried: its feed as a watcher gets it who comes afterwards. */
function feedOf(...entries: (number | 'failed' | 'queued' | 'completed')[]): WatchJobResponse[] {
  const states = { failed: JobStatus.FAILED, queued: JobStatus.QUEUED, completed: JobStatus.COMPLETED };
  return entries.map((entry, index) => {
    const about = { cursor: `${index + 1}-1-${index + 1}-0`, time: timestampFromMs(index) };
    return typeof entry === 'number'
      ? create(WatchJobResponseSchema, { ...about, type: 'metrics', status: JobStatus.TRAINING, step: BigInt(entry) })
      : create(WatchJobResponseSchema, { ...about, type: 'state', status: states[entry], message: entry });
  });
}

t.test('of a training that was tried twice each try’s metrics stand in their try', async (t) => {
  const { move, told } = await scene(t, feedOf(1, 2, 'failed', 'queued', 3, 4, 'completed'));
  await move(request, accept, complete, request, complete);
  await move(request, accept, (state) => fail(state, true), request, accept, complete);
  await move(request, accept, complete, () => passingGate, request, accept, complete);
  const all = await told();
  const train = all.map(({ text }) => text.replace(/ \(\d+\)$/, '')).filter((text) => /^(train|step)/.test(text));
  t.strictSame(train.map((text) => text.replace(/: failed.*/, ': failed')), ['train: begun', 'train: task', 'step 1', 'step 2', 'train: failed', 'train: begun again, try 2', 'train: task', 'step 3', 'step 4', 'train: completed']);
  for (const [index, { cursor }] of all.entries()) t.strictSame(await told(cursor), all.slice(index + 1), `after ${all[index]!.text}: nothing missed, nothing twice`);
});

t.test('what the ledger rejects is not shown, before and while it is watched', async (t) => {
  const { append, move, told } = await scene(t, []);
  await move(request);
  // Of the first one event might follow, but not the other; the others are of another aggregate, or come too early.
  const strange = [[event('pipelinePauseRequested', {}), event('stepAccepted', { step: 'train', try: 1, taskId: 'job_x' })], [event('taskQueued', {})], [event('pipelineCompleted', {}), event('pipelineResumed', {})]];
  for (const events of strange) await append(events);
  const expected = ['started: ', 'extract_data: begun', 'extract_data: task', 'extract_data: completed'];
  const live = told('', expected.length);
  await setImmediate();
  await move(accept);
  for (const events of strange) await append(events);
  await move(complete);
  t.strictSame((await live).map(({ text }) => text.replace(/ \(\d+\)$/, '')), expected);
  t.strictSame((await told('', expected.length)).map(({ text }) => text.replace(/ \(\d+\)$/, '')), expected, 'in history too');
});
