import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import t, { type Test } from 'tap';
import { EnvelopeSchema, type Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { TelemetrySchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { event } from '../../core/task/events.ts';
import { parseCursor, startCursor } from '../../gateway/feed/cursor.ts';
import { JobFeed } from '../../gateway/feed/job-feed.ts';

const spec = create(TaskSpecSchema, { kind: { case: 'export', value: { jobId: 'x' } } });
const stored = (sequence: number, ...events: Event[]) => ({ sequence, aggregate: 'task', id: 'job_1', bytes: new Uint8Array(), envelope: create(EnvelopeSchema, { time: timestampFromMs(sequence), events }) });
const metric = (attempt: number, number: number, step: number, workerId = 'w') => ({ sequence: number, workerId, telemetry: create(TelemetrySchema, { taskId: 'job_1', attempt, number: BigInt(number), timeMs: BigInt(number), metrics: [{ step: BigInt(step) }] }) });
/** An attempt with its first report, as a worker makes it before it measures anything. */
const started = (attempt: number): Event[] => [event('attemptStarted', { attempt, workerId: 'w' }), event('reportAccepted', { attempt, number: 1n })];

function running(): JobFeed {
  const feed = new JobFeed();
  feed.addEvent(stored(1, event('taskQueued', { kind: TaskKind.TRAIN, project: 'p', spec, maxAttempts: 3 })));
  feed.addEvent(stored(2, ...started(1)));
  return feed;
}
/** What one who watches and one who follows are told, which is the same. */
async function told(t: Test, feed: JobFeed, after = ''): Promise<unknown[]> {
  feed.close();
  const cursor = after === '' ? startCursor : parseCursor(after);
  const watched: WatchJobResponse[] = [];
  for await (const message of feed.watch(cursor, new AbortController().signal)) watched.push(message);
  const followed: WatchJobResponse[] = [];
  await feed.follow(cursor, new AbortController().signal, { take: (run) => void followed.push(...run) });
  t.strictSame(followed, watched);
  return watched.map(({ type, step, attempt }) => (type === 'metrics' ? `${attempt}:${step}` : type));
}

t.test('what has aged out is told as a gap', async (t) => {
  const feed = running();
  feed.addTelemetry(metric(1, 4, 40));
  feed.addTelemetry(metric(1, 5, 50));
  feed.addTelemetry(metric(1, 8, 80));
  t.strictSame(await told(t, feed), ['state', 'state', 'gap', '1:40', '1:50', 'gap', '1:80']);
  t.strictSame(await told(t, feed, '2-1-5-0'), ['gap', '1:80'], 'a watcher that goes on sees only the gap that is new to it');
});

t.test('what another worker says of an attempt is not told', async (t) => {
  const feed = running();
  feed.addTelemetry(metric(1, 1, 1));
  feed.addTelemetry(metric(1, 2, 99, 'stranger'));
  feed.addTelemetry(metric(1, 2, 2));
  t.strictSame(await told(t, feed), ['state', 'state', '1:1', '1:2']);
});

t.test('metrics of an attempt wait for its start, and late ones of the one before are dropped', async (t) => {
  const feed = running();
  feed.addTelemetry(metric(2, 1, 7));
  feed.addTelemetry(metric(1, 1, 1));
  feed.addEvent(stored(3, event('attemptEnded', { attempt: 1 })));
  feed.addEvent(stored(4, ...started(2)));
  feed.addTelemetry(metric(1, 2, 2));
  t.strictSame(await told(t, feed), ['state', 'state', '1:1', 'state', 'state', '2:7']);
});

t.test('metrics wait for the first report of their attempt, whichever of the two streams is quicker', async (t) => {
  const feed = running();
  feed.addEvent(stored(3, event('attemptEnded', { attempt: 1 })));
  feed.addEvent(stored(4, started(2)[0]!));
  feed.addTelemetry(metric(2, 1, 7));
  feed.addEvent(stored(5, started(2)[1]!, event('phaseEntered', { attempt: 2, phase: 'training' })));
  t.strictSame(await told(t, feed), ['state', 'state', 'state', 'state', 'state', '2:7']);
});

t.test('one who went on before what is kept in memory is told of the gap', async (t) => {
  const feed = running();
  for (let number = 1; number <= 200_000; number++) feed.addTelemetry(metric(1, number, number));
  const all = await told(t, feed);
  t.equal(all.length, 1 + 100_000 + 1);
  t.strictSame([all[0], all[1], all.at(-1)], ['gap', '1:100000', '1:200000']);
  t.strictSame(await told(t, feed, '2-1-199999-0'), ['1:200000'], 'one who has not missed anything is not');
});
