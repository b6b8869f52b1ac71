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

t.test('what is not kept in memory', async (t) => {
  const feed = running();
  for (let number = 1; number <= 5; number++) feed.addTelemetry(metric(1, number, number));
  // These have fallen behind when more comes.
  const watch = (after: string) => feed.watch(after === '' ? startCursor : parseCursor(after), new AbortController().signal)[Symbol.asyncIterator]();
  const watching = watch('');
  for (let n = 1; n <= 7; n++) await watching.next();
  const behind = (after: string) => {
    const runs: (readonly WatchJobResponse[])[] = [];
    const [started, waited] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const ended = feed.follow(parseCursor(after), new AbortController().signal, {
      take(run) {
        started.resolve();
        return runs.push(run) === 1 ? waited.promise : undefined;
      },
    });
    return { runs, started: started.promise, goOn: waited.resolve, ended };
  };
  const followers = [behind(''), behind('2-1-2-0')];
  for (const { started } of followers) await started;
  for (let number = 6; number <= 200_000; number++) feed.addTelemetry(metric(1, number, number));
  feed.close();

  t.test('one who starts or went on before it is told of the gap, also where no event came since', async (t) => {
    const all = await told(t, feed);
    t.equal(all.length, 1 + 100_000 + 1);
    t.strictSame([all[0], all[1], all.at(-1)], ['gap', '1:100000', '1:200000']);
    const first = async (after: string): Promise<(string | bigint)[]> => {
      const watched = await watch(after).next();
      const stop = new AbortController();
      let followed: WatchJobResponse | undefined;
      await feed.follow(parseCursor(after), stop.signal, {
        take(run) {
          followed ??= run[0];
          if (run.length > 0) stop.abort();
          return undefined;
        },
      });
      const { type, step = type, message = '', cursor } = watched.value as WatchJobResponse;
      t.strictSame(followed, watched.value);
      return [step, message, cursor];
    };
    const gap = ['gap', '100001 older messages are not kept in memory', '2-1-99999-0'];
    for (const after of ['', '1-0-0-0', '2-1-0-0', '2-1-5-0', '2-1-99998-0']) t.strictSame(await first(after), gap, after);
    t.strictSame(await first('1-1-150000-0'), [gap[0], gap[1], '2-1-150000-0'], 'an event is missed');
  });

  t.test('one who has not missed anything is not', async (t) => {
    t.strictSame(await told(t, feed, '2-1-199999-0'), ['1:200000']);
    const { value } = await watch('2-1-99999-0').next();
    t.equal((value as WatchJobResponse).step, 100_000n, 'who goes on from the gap is not told of it again');
  });

  t.test('one who falls behind while it watches is told what it missed', async (t) => {
    const gap = { type: 'gap', message: '99994 older messages are not kept in memory', cursor: '2-1-99999-0' };
    t.match((await watching.next()).value, gap);
    t.match((await watching.next()).value, { type: 'metrics', step: 100_000n });
    for (const { runs, goOn, ended } of followers) {
      goOn();
      await ended;
      t.strictSame(runs[0]!.at(-1)!.step, 5n);
      t.match(runs[1], [gap]);
      t.equal(runs[2]![0]!.step, 100_000n);
      t.equal(runs.length, 2 + Math.ceil(100_001 / 256));
    }
  });
});
