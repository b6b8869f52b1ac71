import { execFile } from 'node:child_process';
import { access, appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { isForgeError } from '../../../core/errors.ts';
import { measureChanges, type MeasureOptions } from '../../../guardian/monitor/measure.ts';
import { defaultPolicy } from '../../../guardian/policy/policy.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../../support/repository.ts';

/** What nobody measured is absent. */
const unknown = { filesChanged: undefined, commitsSinceLastTrain: undefined, linesAdded: undefined, linesRemoved: undefined, criticalPathsChanged: undefined };
const live = new AbortController().signal;
const hour = 3_600_000;
const measure = (repository: string, base: string | undefined, head: string, more: Partial<MeasureOptions> = {}) =>
  measureChanges({ repository, base, head, policy: defaultPolicy, now: 0, signal: live, timeoutMs: 30_000, ...more });
const lines = (count: number, word = 'line'): string => Array.from({ length: count }, (_, index) => `${word} ${index}\n`).join('');
const headOf = (repository: string): Promise<string> => git(repository, 'rev-parse', 'HEAD');

t.test('files, lines, languages and commits since', async (t) => {
  const repository = await makeRepository(t, { 'a.ts': lines(10), 'gone.py': lines(4, 'was'), 'same.go': 'package x\n', 'image.png': Buffer.from([0, 1, 2]) });
  const base = await headOf(repository);
  t.match(await measure(repository, base, base), { filesChanged: 0n, commitsSinceLastTrain: 0n, linesAdded: 0n, base: 'ancestor', neverTrained: false, shallow: false });

  await commitFiles(repository, { 'a.ts': lines(10).replace('line 3\n', 'other\n'), 'new.rs': lines(7, 'let') });
  await rm(join(repository, 'gone.py'));
  const head = await commitFiles(repository, { 'image.png': Buffer.from([0, 9, 9, 0]), 'dir/ü \t"x".c': lines(2, 'int') });
  const found = await measure(repository, base, head, { trainedAt: 5 * hour, now: 7.5 * hour });
  t.match(found, {
    commitsSinceLastTrain: 2n,
    filesChanged: 5n,
    linesAdded: 10n, // 1 of a.ts, 7 of new.rs, 2 of dir
    linesRemoved: 5n, // 1 of a.ts, 4 of gone.py
    languages: ['c', 'other', 'python', 'rust', 'typescript'],
    criticalPathsChanged: false,
    baseCommit: base,
    headCommit: head,
    ageHours: 2.5,
  });
  t.same([...found.criticalFiles, ...found.newTags], []);
  t.equal((await measure(repository, base, head)).ageHours, undefined, 'an age nobody knows is absent');
  t.equal((await measure(repository, base, head, { trainedAt: 9 * hour, now: 0 })).ageHours, 0, 'a clock that was set back');
});

t.test('a project never trained is compared with nothing', async (t) => {
  const repository = await makeRepository(t, { 'src/core/a.ts': lines(3), 'b.md': lines(2) });
  const head = await commitFiles(repository, { 'b.md': lines(5) });
  await git(repository, 'tag', 'v1');
  t.match(await measure(repository, undefined, head, { trainedAt: 5 }), {
    neverTrained: true,
    base: 'none',
    baseCommit: '',
    filesChanged: 2n,
    linesAdded: 8n,
    linesRemoved: 0n,
    commitsSinceLastTrain: 2n,
    languages: ['markdown', 'typescript'],
    criticalFiles: ['src/core/a.ts'],
    newTags: ['v1'],
    ageHours: undefined,
  });
});

t.test('a rename counts once, and is critical by either name', async (t) => {
  const repository = await makeRepository(t, { 'lib/old.ts': lines(40), 'src/plain.ts': lines(40, 'other') });
  const base = await headOf(repository);
  await git(repository, 'mv', 'lib/old.ts', 'src/moved.ts');
  await git(repository, 'mv', 'src/plain.ts', 'src/still.ts');
  const head = await commitFiles(repository, { 'src/moved.ts': lines(40) + 'one more\n' });
  t.match(await measure(repository, base, head), { filesChanged: 2n, linesAdded: 1n, linesRemoved: 0n, criticalPathsChanged: true, criticalFiles: ['lib/old.ts'] });
  await git(repository, 'mv', 'src/still.ts', 'lib/in.ts');
  const next = await commitFiles(repository, {});
  t.match(await measure(repository, head, next), { filesChanged: 1n, linesAdded: 0n, criticalFiles: ['lib/in.ts'] });
});

t.test('at most 20 critical files are listed, with names a log can take', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': 'x\n' });
  const base = await headOf(repository);
  const head = await commitFiles(repository, { 'lib/ new\nline.ts': '1\n', ...Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`lib/${index}.ts`, `${index}\n`])) });
  const found = await measure(repository, base, head);
  t.equal(found.filesChanged, 31n);
  t.equal(found.criticalFiles.length, 20);
  t.equal(found.criticalFiles[0], 'lib/ new?line.ts');
});

t.test('new tags are those that head reaches and the trained commit does not', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': '1\n' });
  await git(repository, 'tag', 'v1');
  const base = await headOf(repository);
  await commitFiles(repository, { 'a.txt': '2\n' });
  await git(repository, 'tag', 'v2');
  const head = await commitFiles(repository, { 'a.txt': '3\n' });
  await git(repository, 'tag', '-a', 'release/3', '-m', 'Third');
  await git(repository, 'tag', 'nightly');
  await git(repository, 'tag', 'v-tree', 'HEAD^{tree}');
  await git(repository, 'checkout', '--quiet', '-b', 'side');
  await commitFiles(repository, { 'a.txt': '4\n' });
  await git(repository, 'tag', 'v9');
  t.same((await measure(repository, base, head)).newTags.toSorted(), ['release/3', 'v2']);
  t.same((await measure(repository, base, head, { policy: { ...defaultPolicy, tags: ['night*'] } })).newTags, ['nightly']);
  t.same((await measure(repository, head, head)).newTags, []);
  await git(repository, 'tag', '--force', 'v1', head);
  t.ok((await measure(repository, base, head)).newTags.includes('v1'), 'a tag that was moved is new');
});

t.test('a trained commit that history has left, or that is gone', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': '1\n', 'b.txt': '1\n' });
  const root = await headOf(repository);
  const base = await commitFiles(repository, { 'a.txt': '2\n' }, 'Before the rebase');
  await git(repository, 'reset', '--quiet', '--hard', root);
  const head = await commitFiles(repository, { 'a.txt': '2\n', 'b.txt': '2\n' }, 'After the rebase');
  t.match(await measure(repository, base, head), { base: 'diverged', filesChanged: 1n, linesAdded: 1n, linesRemoved: 1n, commitsSinceLastTrain: 1n });

  await git(repository, 'reflog', 'expire', '--expire=now', '--all');
  await git(repository, 'gc', '--quiet', '--prune=now');
  const gone = await measure(repository, base, head, { trainedAt: 0, now: hour });
  t.match(gone, { base: 'missing', baseCommit: base, ...unknown, ageHours: 1, neverTrained: false });
  t.same([...gone.languages, ...gone.criticalFiles, ...gone.newTags], []);
  for (const odd of ['', 'f'.repeat(64), head.slice(0, 10), 'HEAD', `file:${'a'.repeat(64)}`, '--all']) t.equal((await measure(repository, odd, head)).base, 'missing', JSON.stringify(odd));
  const tree = await git(repository, 'rev-parse', 'HEAD^{tree}');
  t.equal((await measure(repository, tree, head)).base, 'missing', 'an object that is no commit');
});

t.test('a shallow clone says so, and a trained commit before its history is missing', async (t) => {
  const origin = await makeRepository(t, { 'a.txt': '1\n' });
  const old = await headOf(origin);
  const base = await commitFiles(origin, { 'a.txt': '2\n' });
  const head = await commitFiles(origin, { 'a.txt': '3\n' });
  const folder = await makeFolder(t);
  await git(folder, 'clone', '--quiet', '--depth=2', `file://${origin}`, join(folder, 'copy'));
  const copy = join(folder, 'copy');
  t.match(await measure(copy, base, head), { shallow: true, base: 'ancestor', filesChanged: 1n, commitsSinceLastTrain: 1n });
  t.match(await measure(copy, old, head), { shallow: true, base: 'missing', ...unknown });
  t.match(await measure(copy, undefined, head), { shallow: true, base: 'none', commitsSinceLastTrain: 2n });
});

t.test('a submodule whose commit moved is one file, and is not entered', async (t) => {
  const inner = await makeRepository(t, { 'lib.ts': lines(50) });
  const first = await headOf(inner);
  const second = await commitFiles(inner, { 'lib.ts': lines(60), 'more.ts': lines(5) });
  const repository = await makeRepository(t, { 'a.txt': '1\n' });
  const point = async (commit: string): Promise<string> => {
    await git(repository, 'update-index', '--add', '--cacheinfo', `160000,${commit},core/sub`);
    await git(repository, 'commit', '--quiet', '-m', 'Point to it');
    return headOf(repository);
  };
  await commitFiles(repository, { '.gitmodules': '[submodule "core/sub"]\n path = core/sub\n url = ../sub\n ignore = all\n' });
  const base = await point(first);
  const head = await point(second);
  t.match(await measure(repository, base, head), { filesChanged: 1n, linesAdded: 0n, linesRemoved: 0n, criticalFiles: ['core/sub'], commitsSinceLastTrain: 1n });
  t.same((await measure(repository, base, head)).languages, [], 'a submodule has no language of its own');
  t.match(await measure(repository, base, head, { policy: { ...defaultPolicy, criticalPaths: ['core/sub/**'] } }), { criticalPathsChanged: true });
});

t.test('bare repositories, linked working trees and SHA-256', async (t) => {
  const folder = await makeFolder(t);
  const repository = await makeRepository(t, { 'a.py': '1\n' }, join(folder, 'main'));
  const base = await headOf(repository);
  const head = await commitFiles(repository, { 'b.py': '2\n' });
  await git(folder, 'clone', '--quiet', '--bare', repository, join(folder, 'bare.git'));
  await git(repository, 'worktree', 'add', '--quiet', join(folder, 'linked'), '-b', 'other');
  for (const place of [repository, join(folder, 'bare.git'), join(folder, 'linked')]) t.match(await measure(place, base, head), { filesChanged: 1n, commitsSinceLastTrain: 1n, languages: ['python'] }, place);

  const long = join(folder, 'long');
  await git(folder, 'init', '--quiet', '--object-format=sha256', long);
  const first = await commitFiles(long, { 'a.py': '1\n' });
  const second = await commitFiles(long, { 'a.py': '1\n2\n' });
  t.equal(second.length, 64);
  t.match(await measure(long, first, second), { base: 'ancestor', filesChanged: 1n, linesAdded: 1n });
  t.match(await measure(long, undefined, second), { base: 'none', filesChanged: 1n, linesAdded: 2n, commitsSinceLastTrain: 2n });
  t.equal((await measure(long, 'a'.repeat(40), second)).base, 'missing', 'a SHA-1 id is no abbreviation');
});

t.test('what can not be read is a clear error, and the time is bounded', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': lines(30) });
  const base = await headOf(repository);
  const head = await commitFiles(repository, { 'a.txt': lines(30, 'x') });
  const refusal = (work: Promise<unknown>) => work.then(() => t.fail('it was not refused'), (error: unknown) => error);
  const late = await refusal(measure(repository, base, head, { timeoutMs: 1 }));
  t.match(late, { code: 'unavailable', message: /within 1 ms|in 1 ms/ });
  const stopped = new Error('stopped');
  t.equal(await refusal(measure(repository, base, head, { signal: AbortSignal.abort(stopped) })), stopped);
  const object = await git(repository, 'rev-parse', `${head}:a.txt`);
  // Else git takes the content from the working directory.
  await commitFiles(repository, { 'a.txt': 'y\n' });
  await rm(join(repository, '.git/objects', object.slice(0, 2), object.slice(2)));
  const broken = await refusal(measure(repository, base, head));
  t.ok(isForgeError(broken, 'wrong_state'));
  t.match(broken, { message: /git can not compare .*partial clone/s });
});

t.test('what the repository configures is neither run nor hides a change', async (t) => {
  const repository = await makeRepository(t, { 'a.ts': lines(5), '.gitattributes': '*.ts diff=evil filter=evil\n' });
  const base = await headOf(repository);
  const head = await commitFiles(repository, { 'a.ts': lines(6), 'b.ts': lines(3, 'b') });
  const mark = join(repository, '.git/it-ran');
  const program = join(repository, '.git/program.sh');
  await writeFile(program, `#!/bin/sh\ntouch '${mark}'\n`, { mode: 0o755 });
  await writeFile(join(repository, '.git/order'), '*.ts\n');
  await appendFile(
    join(repository, '.git/config'),
    `[diff]\n external = ${program}\n renames = copies\n orderFile = ${join(repository, '.git/order')}\n[diff "evil"]\n textconv = ${program}\n command = ${program}\n[filter "evil"]\n clean = ${program}\n smudge = ${program}\n[core]\n fsmonitor = ${program}\n pager = ${program}\n`,
  );
  const ran = () => access(mark).then(() => true, () => false);
  await git(repository, 'diff', base, head).catch(() => undefined);
  t.ok(await ran(), 'plain git falls into the trap');
  await rm(mark);
  t.match(await measure(repository, base, head), { filesChanged: 2n, linesAdded: 4n, linesRemoved: 0n });
  t.notOk(await ran());
});

t.test('a large change is measured in bounded time and memory', async (t) => {
  const repository = await makeRepository(t, {});
  const all = Array.from({ length: 5_000 }, (_, index) => index);
  const [base, head] = await importCommits(repository, [
    all.map((index) => [`src/dir-${index % 50}/file-${index}.ts`, lines(20, `a${index}`)]),
    all.map((index) => [index % 2 === 0 ? `src/dir-${index % 50}/file-${index}.ts` : `lib/file-${index}.ts`, lines(20, `b${index}`)]),
  ]);
  const before = process.memoryUsage().heapUsed;
  const begun = performance.now();
  const found = await measure(repository, base, head!);
  const tookMs = performance.now() - begun;
  t.match(found, { filesChanged: 7_500n, linesAdded: 100_000n, linesRemoved: 100_000n, criticalPathsChanged: true });
  t.ok(tookMs < 20_000, `${tookMs.toFixed(0)} ms`);
  t.ok(process.memoryUsage().heapUsed - before < 32 << 20, 'memory');
  t.comment(`5,000 files rewritten, 2,500 of them elsewhere: ${tookMs.toFixed(0)} ms`);
});

/** Makes many files by `git fast-import`, which is much faster than a working directory. @returns a commit's id for each tree */
async function importCommits(repository: string, trees: [path: string, content: string][][]): Promise<string[]> {
  const stream = trees.map((files, index) => {
    const entries = files.map(([path, content]) => `M 100644 inline ${path}\ndata ${Buffer.byteLength(content)}\n${content}\n`).join('');
    return `commit refs/heads/c${index}\ncommitter Test <test@example.org> ${index} +0000\ndata 0\n${index === 0 ? '' : `from refs/heads/c${index - 1}\n`}deleteall\n${entries}`;
  });
  const done = promisify(execFile)('git', ['-C', repository, 'fast-import', '--quiet'], { timeout: 60_000 });
  done.child.stdin!.end(stream.join(''));
  await done;
  return Promise.all(trees.map((_, index) => git(repository, 'rev-parse', `refs/heads/c${index}`)));
}
