import { create, toJson } from '@bufbuild/protobuf';
import t from 'tap';
import { isForgeError } from '../../../core/errors.ts';
import { RetrainPolicySchema } from '../../../core/gen/aiforge/v1/pipeline_pb.ts';
import { parseSettings } from '../../../guardian/policy/settings-file.ts';

const parse = (text: string | Uint8Array) => parseSettings('.ai-forge.yml', typeof text === 'string' ? Buffer.from(text) : text);

t.test('what it sets is read', async (t) => {
  const full = parse('# when to retrain\nretrain:\n  files_changed: 5\n  commits: 7\n  critical_paths:\n    - src/**\n    - "*.sql"\n  tags: [v*, "rel/*"]\n  max_age_hours: 12.5\n');
  t.same(full, create(RetrainPolicySchema, { filesChanged: 5, commits: 7, criticalPaths: ['src/**', '*.sql'], tags: ['v*', 'rel/*'], maxAgeHours: 12.5 }));
  t.same(toJson(RetrainPolicySchema, parse('retrain: {commits: 3}')!), { commits: 3 });
  t.same(parse('retrain: {tags: &all [v*], critical_paths: *all}'), create(RetrainPolicySchema, { tags: ['v*'], criticalPaths: ['v*'] }), 'an alias or two are fine');
  for (const nothing of ['', '# nothing\n', 'retrain:\n', '{}']) t.equal(parse(nothing), undefined, JSON.stringify(nothing));
  t.same(parse('\ufeffretrain: {}'), create(RetrainPolicySchema));
});

t.test('what is wrong is named with file and key', async (t) => {
  const bomb = `retrain: &a\n  tags: [x]\n${Array.from({ length: 20 }, (_, index) => `k${index}: [${'*a, '.repeat(10)}*a]`).join('\n')}`;
  const cases: [text: string | Uint8Array, says: RegExp][] = [
    ['retrain:\n  files_changed: many\n', /^\.ai-forge\.yml: retrain\.files_changed: must be a number, not a text$/],
    ['retrain: {files_changed: 0}', /^\.ai-forge\.yml: retrain\.files_changed: must be a whole number/],
    ['retrain: {files_changed: 5000000000}', /files_changed: must be a whole number/],
    ['retrain: {commits: 1.5}', /retrain\.commits: must be a whole number/],
    ['retrain: {commits: [1]}', /retrain\.commits: must be a number, not a list/],
    ['retrain: {max_age_hours: -1}', /retrain\.max_age_hours: must be a number of hours above 0/],
    ['retrain: {max_age_hours: .nan}', /retrain\.max_age_hours: /],
    ['retrain: {tags: v1}', /retrain\.tags: must be a list/],
    ['retrain: {tags: [1]}', /retrain\.tags: must be a list of globs, each a text/],
    ['retrain: {tags: []}', /retrain\.tags: must have at least one glob/],
    ['retrain: {critical_paths: [a, /b]}', /retrain\.critical_paths\[1\]: must begin at the top/],
    ['retrain: {file_changed: 3}', /retrain\.file_changed: is not a known key; known: files_changed, commits/],
    ['retain: {}', /^\.ai-forge\.yml: retain: is not a known key; known: retrain$/],
    ['- a\n- b\n', /must be a mapping of keys to values, not a list/],
    ['hello', /must be a mapping/],
    ['retrain: 5', /retrain: retrain must be a mapping/],
    ['retrain: [', /is no valid YAML/],
    ['retrain: {}\nretrain: {}', /is no valid YAML: Map keys must be unique/],
    ['a: 1\n---\nb: 2\n', /is no valid YAML/],
    ['retrain: !!js/function "x"', /is no valid YAML: Unresolved tag/],
    ['retrain: {commits: !env X}', /is no valid YAML: Unresolved tag/],
    [bomb, /aliases too often/],
    ['['.repeat(60_000), /nested deeper/],
    ['- '.repeat(30_000), /nested deeper/],
    ['? '.repeat(30_000), /nested deeper/],
    [Array.from({ length: 300 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'), /nested deeper/],
    [Buffer.from([0xff, 0xfe, 0x41]), /must be UTF-8/],
    [`# ${'x'.repeat(65_536)}`, /at most 65536 are read/],
  ];
  for (const [text, says] of cases) {
    const begun = performance.now();
    try {
      parse(text);
      t.fail(`not refused: ${String(text).slice(0, 40)}`);
    } catch (error) {
      if (!isForgeError(error, 'invalid_argument')) throw error;
      t.match(error.message, says, String(text).slice(0, 40));
    }
    t.ok(performance.now() - begun < 2_000, 'in bounded time');
  }
});
