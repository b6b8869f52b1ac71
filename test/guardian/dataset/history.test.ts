import fc from 'fast-check';
import t from 'tap';
import { diffLines } from '../../../guardian/dataset/history/line-diff.ts';
import { readCommits } from '../../../guardian/dataset/history/commits.ts';
import { readLines } from '../../../guardian/dataset/history/contents.ts';
import { commitFiles, git, makeRepository } from '../../support/repository.ts';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

const signal = new AbortController().signal;
const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd', ''), { maxLength: 24 });

/** What applying the hunks makes of the lines. */
function apply(before: readonly string[], hunks: NonNullable<ReturnType<typeof diffLines>>): string[] {
  const after = [...before];
  for (const { oldStart, removed, added } of hunks.toReversed()) after.splice(oldStart, removed.length, ...added);
  return after;
}

t.test('a difference leads from one text to the other, and is as short as can be', async () => {
  fc.assert(fc.property(lines, lines, (before, after) => {
    const hunks = diffLines(before, after)!;
    t.strictSame(apply(before, hunks), after);
    for (const { oldStart, removed, newStart, added } of hunks) {
      t.strictSame(before.slice(oldStart, oldStart + removed.length), removed);
      t.strictSame(after.slice(newStart, newStart + added.length), added);
    }
    const edits = hunks.reduce((sum, { removed, added }) => sum + removed.length + added.length, 0);
    t.equal(edits, before.length + after.length - 2 * longestCommon(before, after));
  }), { numRuns: 150, seed: 4 });
});

function longestCommon(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const one of a) row = b.reduce<number[]>((next, other, at) => [...next, one === other ? row[at]! + 1 : Math.max(row[at + 1]!, next[at]!)], [0]);
  return row.at(-1)!;
}

t.test('texts that differ in more than a few lines have no short difference', async (t) => {
  const many = (word: string): string[] => Array.from({ length: 40 }, (_, line) => `${word} ${line}`);
  t.equal(diffLines(many('a'), many('b')), undefined);
  t.same(diffLines(many('a'), many('a')), []);
});

t.test('commits are read with their messages and what they changed', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': 'one\n', 'b.txt': 'two\n' });
  await commitFiles(repository, { 'a.txt': 'one\nmore\n' }, 'Say more\n\nBecause: "quotes", ünïcode\nand lines.');
  await commitFiles(repository, { 'c.txt': 'new\n' }, 'Add a file');
  await commitFiles(repository, { 'a.txt': 'less\n', 'b.txt': 'less\n' }, 'Change both files');
  await git(repository, 'checkout', '--quiet', '-b', 'side');
  await commitFiles(repository, { 'b.txt': 'side\n' }, 'Change it on the side');
  await git(repository, 'checkout', '--quiet', 'main');
  await commitFiles(repository, { 'a.txt': 'main\n' }, 'Change it on main');
  await git(repository, 'merge', '--quiet', '-m', 'Merge the side', 'side');
  const head = await git(repository, 'rev-parse', 'HEAD');
  const commits = await readCommits(repository, head, 100, 3, signal);
  t.same(commits.map(({ message, changes }) => [message.trim(), changes.map(({ path }) => path)]).sort(), [
    ['Change both files', ['a.txt', 'b.txt']], ['Change it on main', ['a.txt']], ['Change it on the side', ['b.txt']], ['Say more\n\nBecause: "quotes", ünïcode\nand lines.', ['a.txt']],
  ], 'no merges, no first commit, no added files');
  t.same((await readCommits(repository, head, 100, 1, signal)).length, 3, 'and none that changes more files than asked for');
  t.ok((await readCommits(repository, head, 2, 3, signal)).length <= 2);
  const more = commits.find(({ message }) => message.startsWith('Say more'))!;
  const { before, after } = more.changes[0]!;
  const texts = await readLines(repository, [before, after, '1'.repeat(40)], signal);
  t.same([texts.get(before), texts.get(after), texts.size], [['one'], ['one', 'more'], 2]);
  await rm(join(repository, '.git/objects', before.slice(0, 2), before.slice(2)));
  t.same([...(await readLines(repository, [before, after], signal)).keys()], [after], 'what a partial copy lacks is left out');
});
