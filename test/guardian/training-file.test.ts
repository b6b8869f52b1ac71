import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { defaultSettings } from '../../guardian/dataset/settings.ts';
import { buildFromTrainingFile } from '../../guardian/training-file/build.ts';
import { hashTrainingFile } from '../../guardian/training-file/hash.ts';
import { makeFolder } from '../support/repository.ts';
import { readDataset } from './dataset-support.ts';

const chat = (question: string, answer: string, more: object = {}): object => ({ messages: [{ role: 'user', content: question }, { role: 'assistant', content: answer }], ...more });
const jsonl = (rows: readonly (object | string)[]): string => rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('');

async function build(t: Parameters<typeof makeFolder>[0], content: string | Uint8Array, seed = 0n) {
  const path = join(await makeFolder(t), 'rows.jsonl');
  await writeFile(path, content);
  return buildAt(t, path, `file:${await hashTrainingFile(path)}`, seed);
}

async function buildAt(t: Parameters<typeof makeFolder>[0], path: string, commit: string, seed = 0n) {
  const directory = await makeFolder(t);
  const report = await buildFromTrainingFile({ path, commit, settings: defaultSettings(seed), directory, signal: new AbortController().signal, progress() {} });
  return { report, ...(await readDataset(directory)) };
}

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof TaskFailure) return `${error.code}${error.retryable ? ' retryable' : ''}: ${error.message}`;
    throw error;
  }
  throw new Error('it did not fail');
}

t.test('rows are taken over, split, and the same every time', async (t) => {
  const rows = Array.from({ length: 200 }, (_, number) => chat(`Question ${number}?`, `Answer ${number}.`, { source: 'x' }));
  const system = { messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'A' }, { role: 'assistant', content: 'B', name: 'x' }, { role: 'user', content: 'C' }, { role: 'assistant', content: 'D' }] };
  const text = jsonl([...rows, system]);
  const built = await build(t, text);
  t.equal(built.report.train.rows + built.report.heldout.rows, 201);
  t.ok(built.heldout.length > 10 && built.heldout.length < 45, `${built.heldout.length} are held out`);
  const byLine = [...built.all].sort((a, b) => a.start_line - b.start_line);
  t.same(byLine[41], { messages: [{ role: 'user', content: 'Question 41?' }, { role: 'assistant', content: 'Answer 41.' }], kind: 'chat', path: '', start_line: 42, end_line: 42 });
  t.same(byLine[200]!.messages.map(({ role, content }) => `${role} ${content}`), ['system Be brief.', 'user A', 'assistant B', 'user C', 'assistant D']);
  t.equal((await build(t, text)).digest, built.digest, 'from another place');
  t.not((await build(t, text, 1n)).digest, built.digest, 'another seed');
});

t.test('equal rows are taken once, and one question is on one side', async (t) => {
  const rows = Array.from({ length: 60 }, (_, number) => [chat(`Q${number}`, 'yes'), chat(`Q${number}`, 'no'), chat(`Q${number}`, 'yes')]).flat();
  const built = await build(t, jsonl(rows));
  t.equal(built.all.length, 120);
  t.same(built.report.rows_dropped, { duplicate: 60 });
  const trained = new Set(built.train.map(({ messages }) => messages[0]!.content));
  t.ok(built.heldout.length > 0);
  t.same(built.heldout.filter(({ messages }) => trained.has(messages[0]!.content)), []);
});

t.test('blank lines, CRLF, a byte order mark and a missing last line end are no matter', async (t) => {
  const text = `\ufeff${JSON.stringify(chat('ä', 'ö'))}\r\n\r\n\n${JSON.stringify(chat('b', 'c'))}`;
  const built = await build(t, text);
  t.same(built.all.map(({ start_line }) => start_line).sort(), [1, 4]);
  t.same([built.report.train.rows, built.report.heldout.rows], [1, 1]);
});

t.test('each wrong line is named', async (t) => {
  const user = { role: 'user', content: 'q' };
  const assistant = { role: 'assistant', content: 'a' };
  const cases: [row: object | string, says: string][] = [
    ['{"messages": [', 'is not JSON'],
    ['[]', 'must be a JSON object'],
    ['null', 'must be a JSON object'],
    [{ prompt: 'q', completion: 'a' }, 'is in prompt/completion form, which is not supported'],
    [{ text: 'q' }, '"messages" must be a list'],
    [{ input: { messages: [user] }, preferred_output: [assistant], non_preferred_output: [assistant] }, '"input" is not supported'],
    [{ messages: [user, assistant], tools: [] }, '"tools" is not supported'],
    [{ messages: [user, { ...assistant, weight: 0 }] }, 'weight 0'],
    [{ messages: [user] }, '2 to 256 messages, not 1'],
    [{ messages: [user, 'x'] }, 'messages[1]: must be an object'],
    [{ messages: [user, { role: 'tool', content: 'x' }] }, 'messages[1]: "role" must be system, user or assistant, not "tool"'],
    [{ messages: [user, { role: 'assistant', content: 3 }] }, 'messages[1]: "content" must be text'],
    [{ messages: [user, { role: 'assistant', content: ' ' }] }, 'messages[1]: "content" must be text that is not empty'],
    [{ messages: [assistant, user] }, "last message must be the assistant's, not the user's"],
    [{ messages: [assistant, assistant] }, 'no user message'],
    [{ messages: [user, { role: 'system', content: 'x' }, assistant] }, 'messages[1]: a system message can only be the first'],
  ];
  for (const [row, says] of cases) {
    const text = await failure(build(t, jsonl([chat('q', 'a'), row, chat('r', 'b')])));
    t.match(text, /^bad_dataset: .* has 1 wrong line: line 2: /);
    t.ok(text.includes(says), text);
  }
  const many = await failure(build(t, jsonl(Array.from({ length: 25 }, () => '{'))));
  t.match(many, /25 wrong lines: line 1: .*line 10: .*; and 15 more$/);
  await t.rejects(build(t, Buffer.from('{"messages": "\xff"}\n', 'latin1')), /line 1 is not UTF-8/);
  await t.rejects(build(t, `\n${'x'.repeat((1 << 20) + 10)}\n`), /line 2 has more than 1048576 bytes/);
});

t.test('a validation file is held out whole, but for what is trained on', async (t) => {
  const folder = await makeFolder(t);
  const pinned = async (name: string, rows: object[]) => {
    const path = join(folder, name);
    await writeFile(path, jsonl(rows));
    return { path, commit: `file:${await hashTrainingFile(path)}` };
  };
  const training = await pinned('train.jsonl', Array.from({ length: 40 }, (_, number) => chat(`Q${number}`, 'a')));
  const validation = await pinned('valid.jsonl', [chat('V1', 'a'), chat('V2', 'a'), chat('Q7', 'another')]);
  const directory = await makeFolder(t);
  const report = await buildFromTrainingFile({ ...training, validation, settings: defaultSettings(0n), directory, signal: new AbortController().signal, progress() {} });
  const { train, heldout } = await readDataset(directory);
  t.equal(train.length, 40);
  t.same(heldout.map(({ messages }) => messages[0]!.content), ['V1', 'V2']);
  t.same(report.rows_dropped, { validation_in_training: 1 });
});

t.test('a file that was changed since is not taken', async (t) => {
  const path = join(await makeFolder(t), 'rows.jsonl');
  await writeFile(path, jsonl([chat('a', 'b'), chat('c', 'd')]));
  const commit = `file:${await hashTrainingFile(path)}`;
  t.equal((await buildAt(t, path, commit)).all.length, 2);
  await writeFile(path, jsonl([chat('a', 'b'), chat('c', 'e')]));
  t.match(await failure(buildAt(t, path, commit)), /^bad_dataset: .*changed after the job was submitted/);
});
