import { execFile } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { testSeed } from '../support/seed.ts';
import { scheduleOf } from './schedule.ts';
import { shrink } from './shrink.ts';

/** In a process of its own: it puts simulated time and chance into the place of the real ones. */
function simulation(...args: string[]): Promise<{ status: number | string | null | undefined; text: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], (error, stdout, stderr) => resolve({ status: error === null ? 0 : error.code, text: stdout + stderr }));
  });
}

t.test('every promise holds in a thousand schedules', { timeout: 280_000 }, async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}: AI_FORGE_TEST_SEED=${seed} has the same schedules`);
  const { status, text } = await simulation('--seed', String(seed), '--schedules', '1000');
  t.equal(status, 0, text);
  t.match(text, /1000 schedules .* [1-9]\d* were lost; .*every promise held/);
});

t.test('a seed is a schedule: what happens in it is the same each time', { timeout: 60_000 }, async (t) => {
  const [first, again] = await Promise.all([simulation('--seed', '40', '--schedules', '20', '--verbose'), simulation('--seed', '40', '--schedules', '20', '--verbose')]);
  const timeless = (text: string): string => text.replace(/; [\d.]+ s;/, '');
  t.equal(timeless(again.text), timeless(first.text));
  t.match(first.text, /attemptEnded/);
});

const broken = {
  fence: /reportAccepted of attempt \d+, which is over/,
  loss: /is stuck: it is unfinished/,
  chain: /the hash chain of task \S+ is broken/,
  outcome: /has 2 outcomes: completed, completed/,
  idempotency: /was answered with \S+ and then with/,
};

t.test('with a rule taken away the check says what is wrong, and the schedule shrinks to a small one that still fails', { timeout: 280_000 }, async (t) => {
  for (const [rule, finds] of Object.entries(broken)) {
    const { status, text } = await simulation('--seed', '1', '--schedules', '2000', '--break', rule);
    t.equal(status, 1, `${rule}: ${text.slice(-500)}`);
    const [, shrunk = ''] = text.split('As small as it still fails:');
    t.match(shrunk, finds, rule);
    const small = /Small: npm run simulate -- --small '(.*)'/.exec(shrunk)?.[1] ?? '';
    const again = await simulation('--small', small, '--break', rule);
    t.match(again.text, finds, `${rule}: what is printed fails again`);
    t.equal((await simulation('--small', small)).status, 0, `${rule}: and holds with the rule`);
  }
});

t.test('shrinking leaves what a failure needs, and nothing else', async (t) => {
  const schedule = scheduleOf(17);
  const [needed] = schedule.faults;
  const smallest = await shrink(schedule, async ({ faults }) => faults.some((fault) => fault === needed));
  t.strictSame(smallest.faults, [needed]);
  t.equal(smallest.jobs.length, 1);
});

t.test('bad options are refused by name', async (t) => {
  t.match((await simulation('--seed', '-x')).text, /--seed/);
  t.match((await simulation('--schedules', '0')).text, /--schedules: must be a whole number from 1/);
  t.match((await simulation('--break', 'everything')).text, /--break: must be one of fence, loss/);
});
