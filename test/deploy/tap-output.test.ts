import t from 'tap';
import { summarizeTap } from '../runner/tap-output.ts';

const stream = `TAP version 14
# Subtest: one
    ok 1 - fine
    ok 2 - nested # SKIP no network
    1..2
ok 1 - one # time=5ms

ok 2 - two # SKIP why
# Subtest: three
    not ok 1 - x
      ---
      compare: ===
      ...
    1..1
not ok 3 - three # time=20ms
  ---
  at: here
  ...
not ok 4 - four # TODO later
1..4
`;

t.test('counts tests at the top, skips at any depth, and shows failures whole', async (t) => {
  const summary = summarizeTap(stream);
  t.match(summary, { passed: 1, failed: 2, problem: undefined });
  t.equal(summary.skips.length, 2);
  t.equal(summary.failures.length, 2, 'a TODO that fails is a failure');
  t.match(summary.failures[0], /^# Subtest: three\n[^]*at: here/);
  t.notMatch(summary.failures[0], /fine/);
});

t.test('a stream that stops early, is short of a test or bails out is a problem', async (t) => {
  t.match(summarizeTap('TAP version 14\nok 1 - a\n').problem, /no plan/);
  t.match(summarizeTap('ok 1 - a\n1..2\n').problem, /2 tests planned, 1 ran/);
  t.match(summarizeTap('Bail out! all is lost\n').problem, /all is lost/);
  t.match(summarizeTap('').problem, /no plan/);
});

t.test('a file skipped as a whole is a skip with its reason', async (t) => {
  t.same(summarizeTap('TAP version 14\n1..0 # no ollama here\n').skips, ['whole file: no ollama here']);
});
