import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { renderReport } from '../../../guardian/dataset/render-report.ts';
import { kinds, type Row } from '../../../guardian/dataset/row.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../../support/repository.ts';
import { build } from '../dataset-support.ts';
import { overlaps, textOf } from './overlap.ts';
import { planted } from './secret-samples.ts';
import { studyChanges, studyFiles } from './study-repository.ts';

/** A repository with some history, and its dataset: made once, changed by nobody. */
const repository = await makeStudyRepository(t, { ...studyFiles(), 'yarn.lock': 'x\n' });
const built = await build(t, repository);

async function makeStudyRepository(test: Test, files: Record<string, string>): Promise<string> {
  const made = await makeRepository(test, files);
  for (const change of studyChanges(files)) await commitFiles(made, change.files, change.message);
  return made;
}

/** The lines of every file of the commit. */
async function linesOf(repository: string, commit: string): Promise<Map<string, string[]>> {
  const paths = (await git(repository, 'ls-tree', '-r', '-z', '--name-only', commit)).split('\0').filter((path) => path !== '');
  return new Map(await Promise.all(paths.map(async (path) => [path, (await git(repository, 'show', `${commit}:${path}`)).split('\n')] as const)));
}

t.test('all kinds are made, and what an answer says stands in the repository', async (t) => {
  const { all, train, heldout, report, commit } = built;
  t.same(Object.keys(report.train.by_kind), [...kinds].sort(), 'each kind is in training');
  t.ok(heldout.length >= 10 && new Set(heldout.map(({ kind }) => kind)).size >= 4, `${heldout.length} rows are held out`);
  const files = await linesOf(repository, commit);
  const messages = await git(repository, 'log', '--format=%B', commit);
  const wrong: string[] = [];
  for (const row of all) for (const problem of problemsOf(row, files, messages)) wrong.push(`${row.kind} ${row.path}:${row.start_line}: ${problem}`);
  t.same(wrong, []);
  t.ok(train.every((row) => (row.reason ?? '').length > 5), 'each says why it is there');
});

t.test('a commit that changes held-out files is not trained on', async (t) => {
  const { train, heldoutFiles } = built;
  const shown = (row: Row): string[] => [...row.messages[0]!.content.matchAll(/^--- (.*)$/gm)].map(([, path]) => path!);
  const commits = train.filter(({ kind }) => kind === 'commit_message');
  t.ok(commits.length > 0 && commits.every((row) => shown(row).length > 0));
  t.ok(heldoutFiles.some(({ path }) => /m1[0-3]\.js/.test(path)), 'some of those changed two at a time are held out');
  for (const row of commits) t.notOk(shown(row).some((path) => heldoutFiles.some((file) => file.path === path)), `${row.commit} shows no held-out file`);
});

/** What of an answer is neither text of the repository nor a name or place in it. */
function problemsOf(row: Row, files: ReadonlyMap<string, string[]>, messages: string): string[] {
  const own = files.get(row.path);
  if (own === undefined) return ['no such file'];
  if (row.start_line < 1 || row.end_line < row.start_line || row.end_line > own.length) return [`lines ${row.start_line} to ${row.end_line} are not in the file`];
  const answer = row.messages[1]!.content;
  switch (row.kind) {
    case 'file_completion': case 'function_completion': case 'fill_in_the_middle':
      return answer === own.slice(row.start_line - 1, row.end_line).join('\n') ? [] : ['is not these lines'];
    case 'commit_message':
      return messages.includes(answer) && row.commit !== undefined ? [] : ['is no message of history'];
    case 'question':
      return answer.split('\n').flatMap((line) => quoteProblem(line, files));
    case 'explanation':
      return wordsProblem(answer, own.slice(row.start_line - 1, row.end_line));
    case 'retrieval': {
      const lines = answer.split('\n');
      const quote = lines.slice(0, -1).filter((line) => !/^##(?:begin|end)_quote##$/.test(line));
      const hasOracle = lines[0] === '##begin_quote##';
      const shown = row.messages[0]!.content.includes(quote.join('\n'));
      return [...quoteProblem(lines.at(-1)!, files), ...wordsProblem(quote.join('\n'), own.slice(row.start_line - 1, row.end_line)), ...(hasOracle === shown ? [] : ['quotes what was not shown, or does not quote what was'])];
    }
  }
}

/** `path:line:text` has to be that line. */
function quoteProblem(line: string, files: ReadonlyMap<string, string[]>): string[] {
  const [, path = '', number = '', text] = /^([^:]+):(\d+):(.*)$/.exec(line) ?? [];
  return files.get(path)?.[Number(number) - 1] === text ? [] : [`"${line}" is no such line`];
}

function wordsProblem(answer: string, lines: readonly string[]): string[] {
  return answer.split('\n').filter((line) => !lines.some((there) => there.includes(line.trim()))).map((line) => `"${line}" is not in these lines`);
}

t.test('rows are as long as a model of 512 tokens can take', async (t) => {
  const { all } = built;
  for (const row of all) t.ok(textOf(row).length <= 1_700, `${row.kind} ${row.path}:${row.start_line} has ${textOf(row).length} characters`);
  const mean = all.reduce((sum, row) => sum + textOf(row).length, 0) / all.length;
  t.ok(mean < 1_300, `${mean.toFixed(0)} characters on average`);
});

t.test('the same commit gives the same bytes, from whatever copy and in whatever place', async (t) => {
  const first = built;
  t.equal((await build(t, repository)).digest, first.digest, 'again');
  const elsewhere = join(await makeFolder(t), 'another', 'copy.git');
  await git(repository, 'clone', '--quiet', '--bare', '--no-local', repository, elsewhere);
  await git(elsewhere, 'gc', '--quiet');
  await git(elsewhere, 'config', 'diff.renames', 'copies');
  await git(elsewhere, 'config', 'diff.noprefix', 'true');
  await git(elsewhere, 'config', 'log.showSignature', 'true');
  await git(elsewhere, 'config', 'i18n.logOutputEncoding', 'latin1');
  t.equal((await build(t, elsewhere)).digest, first.digest, 'from a packed bare clone elsewhere, with settings of its own');
  t.not((await build(t, repository, { seed: 2n })).digest, first.digest, 'another seed splits otherwise');
  const shallow = join(await makeFolder(t), 'shallow');
  await git(repository, 'clone', '--quiet', '--depth=1', `file://${repository}`, shallow);
  const less = await build(t, shallow);
  t.equal(less.report.train.by_kind['commit_message'], undefined, 'a shallow copy has no history');
  t.match(less.report.history_gap, /shallow/, 'and says so');
  t.match(renderReport(less.report), /No examples of commits, since the repository is a shallow clone/);
  const depth = join(await makeFolder(t), 'depth');
  await git(repository, 'clone', '--quiet', '--depth=9', `file://${repository}`, depth);
  t.equal((await build(t, depth)).digest, less.digest, 'nor does one that has some');
  t.equal(less.report.train.by_kind['file_completion'], first.report.train.by_kind['file_completion'], 'and all else');
});

t.test('no run of 50 tokens stands on both sides', async (t) => {
  const notice = `${Array.from({ length: 12 }, (_, line) => `// Copyright 2024 Shop. Paragraph ${line} of a licence that all files begin with, word by word.`).join('\n')}\n\n`;
  const helper = `\nexport function sharedHelper(value) {\n${Array.from({ length: 9 }, (_, line) => `  const step${line} = value * ${line} + previous(${line}, value);`).join('\n')}\n  return step0;\n}\n`;
  const files = Object.fromEntries(Object.entries(studyFiles(30)).map(([path, text], index) => [path, path.endsWith('.js') ? `${notice}${text}${index % 3 === 0 ? helper : ''}` : text]));
  const { train, heldout, heldoutFiles, report } = await build(t, await makeStudyRepository(t, files));
  t.ok(heldout.length >= 10 && heldoutFiles.length >= 2, `${heldout.length} rows of ${heldoutFiles.length} files`);
  t.ok(Object.values(report.rows_dropped).length > 0 && (report.rows_dropped['seen_in_heldout'] ?? 0) > 0, 'there was something to find');
  t.same(overlaps(heldout.map(textOf), train.map(textOf)), [], 'rows');
  t.same(overlaps(heldoutFiles.map(({ text }) => text), train.map(textOf)), [], 'whole files');
  const paths = new Set(heldoutFiles.map(({ path }) => path));
  for (const row of train) t.notOk([row, ...(row.spans ?? [])].some(({ path }) => paths.has(path)), `${row.path} is not held out`);
  for (const row of heldout) t.ok(paths.has(row.path));
  t.ok(heldoutFiles.some(({ path }) => path.endsWith('.js')) && heldoutFiles.every(({ text }) => !text.includes('Paragraph 3')), 'licence headers are cut off');
  t.ok(train.some((row) => textOf(row).startsWith('Write the beginning of the file src/')), 'so that beginnings can be learnt');
});

t.test('held-out files are written whole', async (t) => {
  const { heldoutFiles, commit, heldout } = built;
  const files = await linesOf(repository, commit);
  for (const { path, text, language } of heldoutFiles) {
    t.equal(text, files.get(path)!.join('\n').replace(/\n+$/, ''), path);
    t.match(language, /^(javascript|python|markdown)$/);
  }
  t.ok(heldout.every(({ path }) => heldoutFiles.some((file) => file.path === path)));
  const plain = await build(t, repository, { recipe: 'plain' });
  t.ok(plain.heldoutFiles.length > 0 && plain.heldout.every(({ path }) => plain.heldoutFiles.some((file) => file.path === path)));
});

t.test('near-duplicates are taken once', async (t) => {
  const files = studyFiles();
  const copy = files['src/m03.js']!.replace('node:fs/promises', 'node:fs');
  const { report, all } = await build(t, await makeRepository(t, { ...files, 'zcopy/m03.js': copy }));
  t.equal(report.files_dropped['duplicate'], 1);
  t.notOk(all.some(({ path }) => path === 'zcopy/m03.js'));
});

t.test('no secret comes through, whatever the kind of example', async (t) => {
  const files = studyFiles();
  const paths = Object.keys(files).filter((path) => path.endsWith('.py'));
  for (const [index, [, before, secret, after]] of planted.entries()) {
    const path = paths[index % paths.length]!;
    files[path] += `\n\ndef leaking${index}(given):\n    """Uses the value number ${index} to open what is closed."""\n    first = given + ${index}\n    value = '''${before}${secret}${after}'''\n    return first, value\n`;
  }
  // One of the held-out files has one as well, and can't be written whole.
  const [leaky] = built.heldoutFiles.map(({ path }) => path).filter((path) => path.endsWith('.js')) as [string];
  files[leaky] += `// ${planted[0]![1]}${planted[0]![2]}${planted[0]![3]}\n`;
  const repository = await makeRepository(t, files);
  await commitFiles(repository, { 'src/m01.js': `${files['src/m01.js']}// ${planted[4]![1]}${planted[4]![2]}${planted[4]![3]}\n` }, 'Add a token by mistake to a file');
  await commitFiles(repository, { 'src/m01.js': files['src/m01.js']! }, 'Take the token out of the file again');
  const { directory, report, heldoutFiles } = await build(t, repository);
  t.ok(heldoutFiles.length > 0 && heldoutFiles.every(({ path }) => path !== leaky));
  t.ok((report.files_dropped['secret'] ?? 0) > 0);
  for (const name of ['train.jsonl', 'heldout.jsonl', 'heldout_files.jsonl', 'report.json', 'report.md']) {
    const text = await readFile(join(directory, name), 'utf8');
    for (const [kind, , secret] of planted) {
      const parts = secret.split(/\r?\n/).filter((part) => part.length >= 12 && !/^-----/.test(part));
      for (const part of parts) t.notOk(text.includes(part) || text.includes(JSON.stringify(part).slice(1, -1)), `${name} has no ${kind}`);
    }
  }
  t.ok((report.rows_dropped['secret'] ?? 0) > 0, `${report.rows_dropped['secret']} rows were left out for a secret`);
});

t.test('kinds and languages keep their shares', async (t) => {
  const { train } = built.report;
  const share = (...names: string[]): number => names.reduce((sum, name) => sum + (train.chars_by_kind[name] ?? 0), 0) / train.answer_chars;
  t.ok(share('question', 'retrieval', 'explanation', 'commit_message') <= 0.2, `${share('question', 'retrieval', 'explanation', 'commit_message')}`);
  t.ok(share('file_completion') >= 0.4, `${share('file_completion')}`);
  t.ok(share('file_completion', 'function_completion', 'fill_in_the_middle') >= 0.75);
  t.ok((train.by_language['python'] ?? 0) > 20 && (train.by_language['javascript'] ?? 0) > 20 && (train.by_language['markdown'] ?? 0) > 0);
});

t.test('the report says what there is, in numbers that are true', async (t) => {
  const { report, train, heldout, directory } = built;
  t.equal(report.train.rows, train.length);
  t.equal(report.heldout.rows, heldout.length);
  t.equal(report.train.answer_chars, train.reduce((sum, row) => sum + row.messages[1]!.content.length, 0));
  for (const kind of kinds) t.equal(report.train.by_kind[kind] ?? 0, train.filter((row) => row.kind === kind).length, kind);
  t.equal(report.samples.length, 10);
  for (const { side, ...sample } of report.samples) t.ok((side === 'train' ? train : heldout).some((row) => JSON.stringify(row) === JSON.stringify(sample)), `${sample.kind} is a row of ${side}`);
  t.equal(new Set(report.samples.map(({ kind }) => kind)).size, kinds.length, 'samples are of all kinds');
  t.match(report, { files_parsed: 48, files_broken: 0, files_dropped: { lock_file: 1 }, settings: { recipe: 'full', seed: '1', min_train_rows: 16 } });
  t.notOk('tokens' in report);
  const markdown = await readFile(join(directory, 'report.md'), 'utf8');
  t.equal(markdown, renderReport(report));
  t.notMatch(markdown, /tokenizer/);
  for (const part of ['## Kinds', '| function_completion |', '| lock_file | 1 |', '| python |', '| seed | 1 |', '### 10. ']) t.ok(markdown.includes(part), part);
  const counted = renderReport(report, { tokenizer: 'some/base', train: 1234, heldout: 56, by_kind: { question: 78 } });
  t.match(counted, /\| train \|.*\| 1234 \|\n\| held out \|.*\| 56 \|/);
  t.match(counted, /\| question \|.*\| 78 \|/);
  t.match(counted, /some\/base/);
});
