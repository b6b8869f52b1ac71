import fc from 'fast-check';
import t from 'tap';
import { diffLines } from '../../../guardian/dataset/history/line-diff.ts';
import { readCommits } from '../../../guardian/dataset/history/commits.ts';
import { readLines } from '../../../guardian/dataset/history/contents.ts';
import { HistoryGap } from '../../../guardian/dataset/history/read-output.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../../support/repository.ts';
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
  const { commits, unread } = await readCommits(repository, head, 100, 3, signal);
  t.same(commits.map(({ message, changes }) => [message.trim(), changes.map(({ path }) => path)]).sort(), [
    ['Add a file', ['c.txt']], ['Change both files', ['a.txt', 'b.txt']], ['Change it on main', ['a.txt']], ['Change it on the side', ['b.txt']], ['Say more\n\nBecause: "quotes", ünïcode\nand lines.', ['a.txt']],
  ], 'no merges, no first commit');
  t.equal(unread, 0);
  t.same((await readCommits(repository, head, 100, 1, signal)).commits.length, 4, 'and none that changes more files than asked for');
  t.ok((await readCommits(repository, head, 2, 3, signal)).commits.length <= 2);
  const more = commits.filter(({ message }) => /^(?:Say more|Add a file)/.test(message));
  const texts: Map<string, readonly string[]>[] = [];
  for await (const own of readLines(repository, more, signal)) texts.push(own);
  for (const [index, { message, changes }] of more.entries()) {
    const { before, after } = changes[0]!;
    t.same([before === undefined ? undefined : texts[index]!.get(before), texts[index]!.get(after)], message.startsWith('Say more') ? [['one'], ['one', 'more']] : [undefined, ['new']]);
  }
  const gone = more.find(({ message }) => message.startsWith('Say more'))!.changes[0]!.before!;
  await rm(join(repository, '.git/objects', gone.slice(0, 2), gone.slice(2)));
  await t.rejects(readLines(repository, more, signal).next(), HistoryGap, 'a partial copy lacks old contents');
});

t.test('a commit that removes a file is left out', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': 'one\n', 'b.txt': 'two\n' });
  await rm(join(repository, 'b.txt'));
  const head = await commitFiles(repository, { 'a.txt': 'more\n' }, 'Remove a file');
  t.same((await readCommits(repository, head, 100, 3, signal)).commits, []);
});

t.test('of a history that says too much the newest commits are read, and the rest is counted', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': 'one\n' });
  const huge = Object.fromEntries(Array.from({ length: 200 }, (_, number) => [`folder/${'long'.repeat(20)}${number}.txt`, `${number}\n`]));
  await commitFiles(repository, { 'a.txt': 'two\n' }, 'Say two');
  await commitFiles(repository, huge, 'Add many files');
  const head = await commitFiles(repository, { 'a.txt': 'three\n' }, 'Say three');
  const messagesOf = async (limit?: number) => {
    const { commits, unread } = await readCommits(repository, head, 100, 3, signal, limit);
    return [commits.map(({ message }) => message.trim()), unread];
  };
  t.same(await messagesOf(), [['Say three', 'Say two'], 0]);
  t.same(await messagesOf(5_000), [['Say three'], 3], 'the large one, the older one and the first are not');
  const [commits, unread] = await messagesOf(300);
  t.ok((commits as string[]).length <= 1 && (unread as number) >= 3, 'messages count too');
});

t.test('a shallow copy has a gap', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': 'one\n' });
  const head = await commitFiles(repository, { 'a.txt': 'two\n' }, 'Say two');
  await commitFiles(repository, { 'a.txt': 'three\n' }, 'Say three');
  const shallow = join(await makeFolder(t), 'shallow');
  await git(repository, 'clone', '--quiet', '--depth=2', `file://${repository}`, shallow);
  await t.rejects(readCommits(shallow, head, 1, 3, signal), { name: 'HistoryGap', message: 'the repository is a shallow clone' });
  await t.rejects(readCommits(repository, '1'.repeat(40), 1, 3, signal), { name: 'HistoryGap', message: /rev-list/ });
});
