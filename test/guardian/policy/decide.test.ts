import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import t from 'tap';
import { ChangeMetricsSchema, RetrainPolicySchema, type ChangeMetrics, type RetrainPolicy } from '../../../core/gen/aiforge/v1/pipeline_pb.ts';
import { decide } from '../../../guardian/policy/decide.ts';
import { checkPolicy, defaultPolicy, resolvePolicy, type ResolvedPolicy } from '../../../guardian/policy/policy.ts';

const base = 'a'.repeat(40);
type Figures = Omit<Partial<ChangeMetrics>, '$typeName' | '$unknown'>;
const metrics = (figures: Figures = {}): ChangeMetrics => create(ChangeMetricsSchema, { baseCommit: base, headCommit: 'b'.repeat(40), base: 'ancestor', ...figures });
const policy = (settings: Omit<Partial<RetrainPolicy>, '$typeName' | '$unknown'>): RetrainPolicy => create(RetrainPolicySchema, settings);

t.test('each trigger names its figure and threshold', async (t) => {
  const aged: ResolvedPolicy = { ...defaultPolicy, maxAgeHours: 168 };
  const critical = ['src/core/a.ts', 'src/core/b.ts', 'lib/c.ts', 'core/d.ts'];
  const cases: [figures: Figures, policy: ResolvedPolicy, retrain: boolean, reason: string][] = [
    [{ filesChanged: 20n }, defaultPolicy, true, '20 files changed (threshold: 20)'],
    [{ filesChanged: 1n }, { ...defaultPolicy, filesChanged: 1 }, true, '1 file changed (threshold: 1)'],
    [{ commitsSinceLastTrain: 50n }, defaultPolicy, true, '50 commits (threshold: 50)'],
    [{ criticalPathsChanged: true, criticalFiles: ['src/core/a.ts'] }, defaultPolicy, true, 'critical paths changed: src/core/a.ts (src/core/**)'],
    [{ criticalPathsChanged: true, criticalFiles: critical }, defaultPolicy, true, 'critical paths changed: src/core/a.ts, src/core/b.ts, lib/c.ts, ... (src/core/**, lib/**, core/**)'],
    [{ newTags: ['v1.2.0'] }, defaultPolicy, true, 'new tags: v1.2.0'],
    [{ ageHours: 200 }, aged, true, 'trained 200 hours ago (limit: 168)'],
    [{ ageHours: 200 }, defaultPolicy, false, 'nothing to do: 0 files changed (threshold: 20), 0 commits (threshold: 50), no critical path changed, no new tag'],
    [{ ageHours: 12.5 }, aged, false, 'nothing to do: 0 files changed (threshold: 20), 0 commits (threshold: 50), no critical path changed, no new tag, trained 12.5 hours ago (limit: 168)'],
    [{ filesChanged: 3n, commitsSinceLastTrain: 2n }, defaultPolicy, false, 'nothing to do: 3 files changed (threshold: 20), 2 commits (threshold: 50), no critical path changed, no new tag'],
    [{ filesChanged: 23n, commitsSinceLastTrain: 51n, newTags: ['v1', 'v2'] }, defaultPolicy, true, '23 files changed (threshold: 20); 51 commits (threshold: 50); new tags: v1, v2'],
    [{ neverTrained: true, base: 'none', baseCommit: '' }, defaultPolicy, true, 'never trained: no model of this project has been trained yet'],
    [{ base: 'missing' }, defaultPolicy, true, 'the trained commit aaaaaaaaaaaa is not in the repository any more (history rewritten, or a shallow clone), so what changed since can not be known'],
    [{ base: 'diverged', filesChanged: 20n }, defaultPolicy, true, '20 files changed (threshold: 20); the trained commit is not in the history of this one'],
    [{ shallow: true, commitsSinceLastTrain: 50n }, defaultPolicy, true, '50 commits (threshold: 50); the clone is shallow: commits are counted only as far as its history goes'],
  ];
  for (const [figures, resolved, retrain, reason] of cases) t.same(decide(metrics(figures), resolved), { retrain, reason });
});

t.test('more changes never turn a yes into a no', async (t) => {
  const names = fc.oneof(fc.constant<string[]>([]), fc.array(fc.constantFrom<string[]>('src/core/a.ts', 'lib/b.ts', 'v1', 'release/2'), { maxLength: 5 }));
  const figures = fc.record({
    filesChanged: fc.bigInt(0n, 30n),
    commitsSinceLastTrain: fc.bigInt(0n, 30n),
    criticalFiles: names,
    newTags: names,
    ageHours: fc.double({ min: 0, max: 30, noNaN: true }),
    base: fc.constantFrom('ancestor', 'ancestor', 'ancestor', 'diverged', 'missing'),
    shallow: fc.boolean(),
    neverTrained: fc.nat(9).map((of) => of === 0),
  });
  const resolved = fc.record({
    filesChanged: fc.integer({ min: 1, max: 40 }),
    commits: fc.integer({ min: 1, max: 40 }),
    criticalPaths: fc.constant(defaultPolicy.criticalPaths),
    tags: fc.constant(defaultPolicy.tags),
    maxAgeHours: fc.option(fc.double({ min: 0.001, max: 40, noNaN: true }), { nil: undefined }),
  });
  const answers = new Set<boolean>();
  fc.assert(
    fc.property(figures, figures, resolved, (before, more, resolved) => {
      const first = metrics({ ...before, criticalPathsChanged: before.criticalFiles.length > 0 });
      const criticalFiles = [...before.criticalFiles, ...more.criticalFiles];
      const second = metrics({
        ...before,
        filesChanged: before.filesChanged + more.filesChanged,
        commitsSinceLastTrain: before.commitsSinceLastTrain + more.commitsSinceLastTrain,
        criticalFiles,
        criticalPathsChanged: criticalFiles.length > 0,
        newTags: [...before.newTags, ...more.newTags],
        ageHours: before.ageHours + more.ageHours,
      });
      const [one, two] = [decide(first, resolved), decide(second, resolved)];
      answers.add(one.retrain);
      return (!one.retrain || two.retrain) && one.reason !== '' && one.retrain === !one.reason.startsWith('nothing to do');
    }),
    { numRuns: 500 },
  );
  t.equal(answers.size, 2, 'both answers were seen');
});

t.test('the first source that sets a field wins, the default comes last', async (t) => {
  t.same(resolvePolicy(), defaultPolicy);
  t.same(resolvePolicy(undefined, policy({}), undefined), defaultPolicy);
  t.same(resolvePolicy(policy({ commits: 5, tags: ['x'] }), undefined, policy({ commits: 6, filesChanged: 7, criticalPaths: ['a/**'], tags: ['y'], maxAgeHours: 1.5 })), {
    filesChanged: 7,
    commits: 5,
    criticalPaths: ['a/**'],
    tags: ['x'],
    maxAgeHours: 1.5,
  });
});

t.test('a policy out of bounds is refused, and the field named', async (t) => {
  const cases: [settings: Parameters<typeof policy>[0], field: string][] = [
    [{ filesChanged: 0 }, 'policy.files_changed'],
    [{ filesChanged: 1_000_001 }, 'policy.files_changed'],
    [{ commits: 0 }, 'policy.commits'],
    [{ commits: 1.5 }, 'policy.commits'],
    [{ maxAgeHours: 0 }, 'policy.max_age_hours'],
    [{ maxAgeHours: NaN }, 'policy.max_age_hours'],
    [{ maxAgeHours: Infinity }, 'policy.max_age_hours'],
    [{ criticalPaths: Array<string>(101).fill('a') }, 'policy.critical_paths'],
    [{ criticalPaths: ['a', ''] }, 'policy.critical_paths[1]'],
    [{ tags: ['+(a+)+'] }, 'policy.tags[0]'],
  ];
  for (const [settings, field] of cases) {
    t.throws(() => checkPolicy(policy(settings), 'policy'), { code: 'invalid_argument', field }, JSON.stringify(settings).slice(0, 60));
  }
  checkPolicy(policy({ filesChanged: 1, commits: 1_000_000, criticalPaths: Array<string>(100).fill('a/**'), tags: ['v*'], maxAgeHours: 0.5 }), 'policy');
  checkPolicy(policy({ criticalPaths: [...defaultPolicy.criticalPaths], tags: [...defaultPolicy.tags] }), 'policy');
});
