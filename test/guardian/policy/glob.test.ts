import fc from 'fast-check';
import picomatch from 'picomatch';
import t from 'tap';
import { compileGlobs, globProblem } from '../../../guardian/policy/glob.ts';

t.test('what globs mean', async (t) => {
  const cases: [glob: string, path: string, matches: boolean][] = [
    ['src/core/**', 'src/core/a.ts', true],
    ['src/core/**', 'src/core/deep/er/.hidden', true],
    ['src/core/**', 'src/core', true], // a submodule there
    ['src/core/**', 'src/core2/a.ts', false],
    ['src/core/**', 'lib/src/core/a.ts', false],
    ['**/test/**/*.ts', 'test/a.ts', true],
    ['**/test/**/*.ts', 'a/b/test/c/d.ts', true],
    ['**/test/**/*.ts', 'a/b/test/c/d.js', false],
    ['**', 'a', true],
    ['*.sql', 'a.sql', true],
    ['*.sql', 'db/a.sql', false],
    ['v*', 'v1.2.0', true],
    ['v*', 'v1/2', false],
    ['release/*', 'release/1', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['a?c', 'a😀c', true],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['a.{js,ts}', 'a.ts', true],
    ['{src,lib}/**/*.{c,h}', 'lib/x/y.h', true],
    ['{src,lib}/**/*.{c,h}', 'test/x/y.h', false],
    ['a*b*c', 'axxbxxbxc', true],
    ['a*b*c', 'axxcxxb', false],
    ['a.c', 'abc', false],
  ];
  for (const [glob, path, matches] of cases) {
    t.equal(globProblem(glob), undefined, glob);
    t.equal(compileGlobs([glob])(path), matches, `${glob} ${path}`);
  }
  t.notOk(compileGlobs([])('a'), 'no glob matches nothing');
  t.ok(compileGlobs(['x', 'a'])('a'), 'one of several');
});

t.test('what is no glob is refused with the remedy', async (t) => {
  const cases: [glob: string, says: RegExp][] = [
    ['', /empty/],
    ['x'.repeat(501), /at most 500/],
    ['a\nb', /control characters/],
    ['!src/**', /begin with "!"/],
    ['+(a|b)', /must not contain any of/],
    ['a\\*', /must not contain any of/],
    ['/src/**', /top of the repository/],
    ['./src', /top of the repository/],
    ['src/', /write src\/\*\*/],
    ['a//b', /empty part/],
    ['{a,{b,c}}', /braces in braces/],
    ['{a', /do not close/],
    ['[a', /does not close/],
    ['[]', /empty one/],
    ['{a,b}'.repeat(7), /stands for 128 alternatives/],
    ['src/**.ts', /part of its own/],
    ['a/x{*,b}*', /part of its own/],
  ];
  for (const [glob, says] of cases) t.match(globProblem(glob) ?? 'fine', says, JSON.stringify(glob.slice(0, 20)));
});

t.test('it says what picomatch says', async (t) => {
  const part = fc.string({ unit: fc.constantFrom('a', 'b', '.'), minLength: 1, maxLength: 4 });
  const path = fc.array(part.filter((name) => !/^\.+$/.test(name)), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const globPart = fc.oneof(fc.constant('**'), fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '[a.]', '{a,bb}'), minLength: 1, maxLength: 4 }));
  // picomatch takes `a/**` to match `a`, and `*/**` not to; here both do.
  const glob = fc.array(globPart, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')).filter((text) => globProblem(text) === undefined && !text.endsWith('/**'));
  let matched = 0;
  fc.assert(
    fc.property(glob, path, (glob, path) => {
      const expected = picomatch(glob, { dot: true })(path);
      if (expected) matched += 1;
      return compileGlobs([glob])(path) === expected;
    }),
    { numRuns: 3_000 },
  );
  t.ok(matched > 100, `${matched} of them matched`);
});

t.test('no glob is slow', async (t) => {
  const begun = performance.now();
  const glob = `${'*a'.repeat(200)}*b`;
  t.equal(globProblem(glob), undefined);
  t.notOk(compileGlobs([glob])('a'.repeat(4_000)));
  t.notOk(compileGlobs([`${'**/a/'.repeat(90)}b`])('a/'.repeat(2_000) + 'c'));
  const tookMs = performance.now() - begun;
  t.ok(tookMs < 2_000, `${tookMs.toFixed(0)} ms`);
});
