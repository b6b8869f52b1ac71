import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { buildDataset } from '../../../guardian/dataset/build.ts';
import type { DatasetReport } from '../../../guardian/dataset/report.ts';
import { defaultSettings } from '../../../guardian/dataset/settings.ts';
import { planted } from '../../guardian/dataset/secret-samples.ts';
import { findProgram } from '../../support/executable.ts';
import { realRepositories, type RealRepository } from '../../support/real-repositories.ts';
import { commitFiles, git, makeFolder } from '../../support/repository.ts';

/** A run of so many tokens on both sides is a leak. */
const overlap = 50;
const files = ['train.jsonl', 'heldout.jsonl', 'heldout_files.jsonl', 'report.json', 'report.md'];

interface Row { messages: { role: string; content: string }[]; kind: string; path: string; start_line: number; end_line: number; reason: string }
interface Made { report: DatasetReport; digest: string; train: Row[]; heldout: Row[]; heldoutFiles: { path: string; text: string }[]; text: string }

async function make(t: Test, repository: string, commit: string): Promise<Made> {
  const directory = await makeFolder(t);
  const report = await buildDataset({ repository, commit, settings: defaultSettings(0n), directory, signal: new AbortController().signal, progress() {} });
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')));
  const lines = (index: number): unknown[] => texts[index]!.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
  return { report, digest: createHash('sha256').update(texts.join('\0')).digest('hex'), train: lines(0) as Row[], heldout: lines(1) as Row[], heldoutFiles: lines(2) as Made['heldoutFiles'], text: texts.join('\n') };
}

/** Every run of `overlap` tokens, written without looking at how the builder does it. */
function runs(text: string): Set<string> {
  const tokens = text.match(/\w+|[^\w\s]/g) ?? [];
  const found = new Set<string>();
  for (let at = 0; at + overlap <= tokens.length; at++) found.add(tokens.slice(at, at + overlap).join(' '));
  return found;
}

function shared(a: readonly string[], b: readonly string[]): string[] {
  const seen = new Set<string>();
  for (const text of a) for (const run of runs(text)) seen.add(run);
  return b.flatMap((text) => [...runs(text)].filter((run) => seen.has(run)));
}

const whole = ({ messages }: Row): string => messages.map(({ content }) => content).join('\n');

function counts(rows: readonly Row[]): Record<string, number> {
  const byKind: Record<string, number> = {};
  for (const { kind } of rows) byKind[kind] = (byKind[kind] ?? 0) + 1;
  return byKind;
}

async function check(t: Test, { repository, commits }: RealRepository): Promise<void> {
  const made = await make(t, repository, commits.at(-1)!);
  const { report, train, heldout } = made;
  t.comment(`${train.length} rows to train on, ${heldout.length} held out; left out: ${JSON.stringify(report.files_dropped)} ${JSON.stringify(report.rows_dropped)}`);

  const clone = join(await makeFolder(t), 'elsewhere');
  await git(await makeFolder(t), 'clone', '--quiet', '--bare', repository, clone);
  t.equal((await make(t, clone, commits.at(-1)!)).digest, made.digest, 'a clone elsewhere gives the same bytes');
  const before = await make(t, repository, commits[0]!);
  t.not(before.digest, made.digest, 'another commit gives others');

  t.same([report.train.rows, report.heldout.rows], [train.length, heldout.length], 'the report counts what is there');
  t.same([report.train.by_kind, report.heldout.by_kind], [counts(train), counts(heldout)]);
  t.equal(report.train.answer_chars, train.reduce((sum, { messages }) => sum + messages.at(-1)!.content.length, 0));
  const paths = new Set(train.map(({ path }) => path));
  t.same(heldout.filter(({ path }) => path !== '' && paths.has(path)), [], 'no file stands on both sides');
  t.ok(Object.keys(report.train.by_kind).length >= 6, Object.keys(report.train.by_kind).join(' '));
  t.equal(report.samples.length, 10);
  t.ok(train.every(({ reason }) => reason !== ''), 'each row has a reason to be there');

  t.same(shared(heldout.map(whole), train.map(whole)), [], `no ${overlap} tokens in a row stand on both sides`);
  t.same(shared(made.heldoutFiles.map(({ text }) => text), train.map(whole)), [], 'nor any of the held-out files in what is trained on');
}

async function checkSecrets(t: Test, { repository, commits, language }: RealRepository): Promise<void> {
  const clone = join(await makeFolder(t), 'planted');
  await git(await makeFolder(t), 'clone', '--quiet', repository, clone);
  const ending = { python: 'py', go: 'go', rust: 'rs', typescript: 'ts' }[language] ?? 'txt';
  const sources = (await git(clone, 'ls-files', `*.${ending}`)).split('\n');
  const comment = language === 'python' ? '#' : '//';
  const changed: Record<string, string> = {};
  for (const [index, [, prefix, secret, suffix]] of planted.entries()) {
    const path = sources[(index * 3) % sources.length]!;
    const lines = (changed[path] ?? (await readFile(join(clone, path), 'utf8'))).split('\n');
    // In the middle of the file, as if somebody had left it there while trying something out: in a comment where it is one
    // line, else as it stands, since what belongs together over lines would be torn apart.
    const text = `${prefix}${secret}${suffix}`;
    lines.splice(Math.floor(lines.length / 2), 0, ...(text.includes('\n') ? text.split('\n') : [`${comment} ${text}`]));
    changed[path] = lines.join('\n');
  }
  const commit = await commitFiles(clone, changed);
  t.not(commit, commits.at(-1));
  const { text, report } = await make(t, clone, commit);
  const kinds = new Set(planted.map(([kind]) => kind));
  t.ok(kinds.size >= 12, `${kinds.size} kinds are planted`);
  const through = planted.filter(([, , secret]) => secret.split('\n').some((line) => line.length >= 12 && text.includes(JSON.stringify(line).slice(1, -1))));
  t.same(through.map(([kind, before]) => `${kind} after ${before.slice(-40)}`), [], 'no secret is in any file of the dataset');
  t.ok((report.rows_dropped['secret'] ?? 0) + (report.files_dropped['secret'] ?? 0) >= 12, `left out for secrets: ${report.rows_dropped['secret']} rows, ${report.files_dropped['secret'] ?? 0} files`);
}

for (const [language, tool] of [['python', 'python3'], ['go', 'go'], ['rust', 'cargo']] as const) {
  t.test(`a real repository in ${language}`, { timeout: 600_000, ...(findProgram(tool, []) === undefined ? { skip: `${tool}, which gets it, is not here` } : {}) }, async (t) => {
    const [repository] = await realRepositories(undefined, [language]);
    await check(t, repository!);
    await checkSecrets(t, repository!);
  });
}
