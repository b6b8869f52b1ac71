import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { WatchJobResponseSchema, type WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import { parseCursor, startCursor } from '../../gateway/feed/cursor.ts';
import { FeedList } from '../../gateway/feed/feed-list.ts';
import { Followers, type Sink } from '../../gateway/feed/followers.ts';
import { createTurns } from '../../gateway/feed/turns.ts';

t.setTimeout(20_000);

type Run = readonly WatchJobResponse[];

/** A list of metrics with the steps 1, 2, ... and those who follow it. */
function scene() {
  const list = new FeedList();
  let over = false;
  const turns = createTurns();
  let asked = 0;
  const followers = new Followers(list, () => over, { add: (work) => void (asked++, turns.add(work)) });
  let steps = 0;
  return {
    followers,
    /** How often a turn has been asked for. */
    asked: () => asked,
    append(count: number): void {
      for (let n = 0; n < count; n++) {
        const number = ++steps;
        list.append({ cursor: { event: 1, attempt: 1, number, index: 0 }, isEvent: false, message: create(WatchJobResponseSchema, { type: 'metrics', step: BigInt(number) }) });
      }
      followers.wake();
    },
    end(): void {
      over = true;
      followers.wake();
    },
  };
}

/** What a sink was told, and what it has been waiting for. */
function sink() {
  const runs: Run[] = [];
  const waits: PromiseWithResolvers<void>[] = [];
  const told = { runs, waits, waiting: false, take: (run: Run): Promise<void> | undefined => {
    runs.push(run);
    if (!told.waiting) return undefined;
    waits.push(Promise.withResolvers<void>());
    return waits.at(-1)!.promise;
  } };
  return told;
}

const steps = ({ runs }: { runs: Run[] }): number[] => runs.flat().map(({ step }) => Number(step));
const upTo = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const live = (): AbortSignal => new AbortController().signal;
/** Until all who are ready have been told all that there is. */
const rounds = async (): Promise<void> => {
  for (let n = 0; n < 20; n++) await setImmediate();
};

t.test('followers at one place share the run, in order, until the feed is over', async (t) => {
  const { followers, append, end } = scene();
  const [one, two, late] = [sink(), sink(), sink()];
  append(3);
  const ends = [followers.follow(startCursor, live(), one), followers.follow(startCursor, live(), two)];
  await rounds();
  append(2);
  await rounds();
  t.strictSame(one.runs.map((run) => run.length), [3, 2], 'what is there at once is one run');
  t.equal(one.runs[1], two.runs[1], 'the same array');
  append(1);
  ends.push(followers.follow(parseCursor('1-1-4-0'), live(), late));
  end();
  await Promise.all(ends);
  for (const each of [one, two]) t.strictSame(steps(each), upTo(1, 6));
  t.strictSame(steps(late), [5, 6], 'after its cursor');
});

t.test('one whose cursor lies ahead is told what comes after it, and costs no rounds meanwhile', async (t) => {
  const { followers, append, end, asked } = scene();
  const ahead = sink();
  append(2);
  const ended = followers.follow(parseCursor('1-1-5-0'), live(), ahead);
  await rounds();
  const before = asked();
  await rounds();
  t.equal(asked(), before);
  append(2);
  await rounds();
  t.strictSame(ahead.runs, []);
  append(3);
  await rounds();
  append(1);
  end();
  await ended;
  t.strictSame(steps(ahead), [6, 7, 8]);
});

t.test('one that has to be waited for holds up nobody and misses nothing', async (t) => {
  const { followers, append, end } = scene();
  const [slow, quick] = [sink(), sink()];
  slow.waiting = true;
  const ends = [followers.follow(startCursor, live(), slow), followers.follow(startCursor, live(), quick)];
  append(1);
  await rounds();
  append(300);
  await rounds();
  append(1);
  await rounds();
  t.strictSame(steps(quick), upTo(1, 302));
  t.strictSame(steps(slow), [1], 'no second run before the first was taken');
  slow.waits[0]!.resolve();
  await rounds();
  t.strictSame(slow.runs.map((run) => run.length), [1, 256], 'no more at once than a run');
  slow.waiting = false;
  slow.waits[1]!.resolve();
  await rounds();
  t.strictSame(steps(slow), upTo(1, 302));
  slow.waiting = true;
  append(1);
  await rounds();
  end();
  await ends[1];
  let over = false;
  const noted = ends[0]!.then(() => (over = true));
  await rounds();
  t.notOk(over, 'it is not over before the last run was taken');
  slow.waits[2]!.resolve();
  await noted;
  t.strictSame(steps(slow), upTo(1, 303));
});

t.test('who leaves while a round goes on has no other passed by', async (t) => {
  const { followers, append, end } = scene();
  const all = Array.from({ length: 100 }, (_, n) => ({ n, gone: new AbortController(), ...sink() }));
  let left = 0;
  const ends = all.map((each) => followers.follow(startCursor, each.gone.signal, {
    take(run) {
      each.runs.push(run);
      // Every third takes one before it, itself or one after it along.
      if (run[0]!.step === 2n && each.n % 3 === 0) {
        const other = all[[each.n - 2, each.n, each.n + 2][left++ % 3]!];
        other?.gone.abort();
      }
      return undefined;
    },
  }));
  append(1);
  await rounds();
  append(1);
  await rounds();
  const stayed = all.filter(({ gone }) => !gone.signal.aborted);
  t.ok(left > 20 && stayed.length > 50);
  t.strictSame(stayed.map(steps), stayed.map(() => [1, 2]));
  end();
  await Promise.all(ends);
});

t.test('a sink that fails, at once or later, ends its own following alone', async (t) => {
  const { followers, append, end } = scene();
  const well = sink();
  const failing: Sink = { take: () => { throw new Error('at once'); } };
  const later: Sink = { take: () => Promise.reject(new Error('later')) };
  const ended = followers.follow(startCursor, live(), well);
  const failures = [t.rejects(followers.follow(startCursor, live(), failing), /at once/), t.rejects(followers.follow(startCursor, live(), later), /later/)];
  append(1);
  await Promise.all(failures);
  append(1);
  end();
  await ended;
  t.strictSame(steps(well), [1, 2]);
});

t.test('a signal ends it at once, also while it is waited for or before it began', async (t) => {
  const { followers, append } = scene();
  const slow = sink();
  slow.waiting = true;
  const gone = new AbortController();
  const ended = followers.follow(startCursor, gone.signal, slow);
  append(1);
  await rounds();
  t.equal(slow.waits.length, 1);
  gone.abort();
  await ended;
  slow.waits[0]!.resolve();
  append(1);
  await rounds();
  t.strictSame(steps(slow), [1]);
  await followers.follow(startCursor, AbortSignal.abort(), slow);
});

t.test('other work has its turn while thousands are told', async (t) => {
  const { followers, append, end } = scene();
  let told = 0;
  const busy: Sink = {
    take() {
      told++;
      for (const until = performance.now() + 0.05; performance.now() < until;);
      return undefined;
    },
  };
  const ends = Array.from({ length: 1_000 }, () => followers.follow(startCursor, live(), busy));
  append(1);
  const seen: number[] = [];
  while (told < 1_000) {
    await setImmediate();
    seen.push(told);
  }
  t.ok(seen.filter((count) => count > 0 && count < 1_000).length >= 3, `after ${seen.join(', ')} of them`);
  end();
  await Promise.all(ends);
});
