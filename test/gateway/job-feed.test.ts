import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import t from 'tap';
import { EnvelopeSchema, type Event } from '../../core/gen/aiforge/v1/events_pb.ts';
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
async function told(feed: JobFeed, after = ''): Promise<unknown[]> {
  feed.close();
  const messages = [];
  for await (const { type, step, attempt } of feed.watch(after === '' ? startCursor : parseCursor(after), new AbortController().signal)) messages.push(type === 'metrics' ? `${attempt}:${step}` : type);
  return messages;
}

t.test('what has aged out is told as a gap', async (t) => {
  const feed = running();
  feed.addTelemetry(metric(1, 4, 40));
  feed.addTelemetry(metric(1, 5, 50));
  feed.addTelemetry(metric(1, 8, 80));
  t.strictSame(await told(feed), ['state', 'state', 'gap', '1:40', '1:50', 'gap', '1:80']);
  t.strictSame(await told(feed, '2-1-5-0'), ['gap', '1:80'], 'a watcher that goes on sees only the gap that is new to it');
});

t.test('what another worker says of an attempt is not told', async (t) => {
  const feed = running();
  feed.addTelemetry(metric(1, 1, 1));
  feed.addTelemetry(metric(1, 2, 99, 'stranger'));
  feed.addTelemetry(metric(1, 2, 2));
  t.strictSame(await told(feed), ['state', 'state', '1:1', '1:2']);
});

t.test('metrics of an attempt wait for its start, and late ones of the one before are dropped', async (t) => {
  const feed = running();
  feed.addTelemetry(metric(2, 1, 7));
  feed.addTelemetry(metric(1, 1, 1));
  feed.addEvent(stored(3, event('attemptEnded', { attempt: 1 })));
  feed.addEvent(stored(4, ...started(2)));
  feed.addTelemetry(metric(1, 2, 2));
  t.strictSame(await told(feed), ['state', 'state', '1:1', 'state', 'state', '2:7']);
});

t.test('metrics wait for the first report of their attempt, whichever of the two streams is quicker', async (t) => {
  const feed = running();
  feed.addEvent(stored(3, event('attemptEnded', { attempt: 1 })));
  feed.addEvent(stored(4, started(2)[0]!));
  feed.addTelemetry(metric(2, 1, 7));
  feed.addEvent(stored(5, started(2)[1]!, event('phaseEntered', { attempt: 2, phase: 'training' })));
  t.strictSame(await told(feed), ['state', 'state', 'state', 'state', 'state', '2:7']);
});
