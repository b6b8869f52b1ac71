import t from 'tap';
import { buildGraph } from '../../../guardian/dataset/graph/graph.ts';
import type { Example, StudyFile } from '../../../guardian/dataset/kinds/example.ts';
import { explanationExamples } from '../../../guardian/dataset/kinds/explanation.ts';
import { functionExamples } from '../../../guardian/dataset/kinds/function-completion.ts';
import { createNameIndex } from '../../../guardian/dataset/kinds/names.ts';
import { questionExamples } from '../../../guardian/dataset/kinds/question.ts';
import { retrievalExamples } from '../../../guardian/dataset/kinds/retrieval.ts';
import { parseFile } from '../../../guardian/dataset/parse/parse.ts';
import { defaultSettings } from '../../../guardian/dataset/settings.ts';
import { sourceFile } from '../../../guardian/dataset/source-file.ts';

const settings = defaultSettings(1n);

function studiesOf(files: Record<string, string>): Promise<StudyFile[]> {
  return Promise.all(Object.entries(files).map(async ([path, text]) => {
    const file = sourceFile(path, text);
    return { file, parsed: await parseFile(path, file.text, file.lines), start: 0 };
  }));
}

const written = (examples: readonly Example[]) => examples.map((example) => ({ ...example.write(), path: example.file.path, reason: example.reason }));

/** Functions with documentation of so many lines, each line of its own. */
function documented(name: string, lines: number, filler = 0): string {
  const doc = Array.from({ length: lines }, (_, line) => ` * Says of ${name} what line ${line} has to say about it.`);
  return `/**\n${doc.join('\n')}\n */\nexport function ${name}(given) {\n${'  step(given);\n'.repeat(filler + 2)}  return given;\n}\n`;
}

t.test('retrieval: a document that answers holds the definition and its whole documentation', async (t) => {
  const files = await studiesOf(Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`src/a${at}.js`, documented(`work${at}`, 1 + (at % 6), at)])));
  const rows = written(retrievalExamples(files, createNameIndex(files), settings));
  t.ok(rows.length > 10 && rows.length < 30, `${rows.length} rows, without those whose documentation does not fit`);
  for (const { prompt, answer } of rows) {
    const quoted = /^##begin_quote##\n([^]*)\n##end_quote##\n/.exec(answer)?.[1];
    const place = answer.split('\n').at(-1)!;
    const [, header] = /^[^:]+:\d+:(.*)$/.exec(place)!;
    t.match(answer, / \*\/\n/, 'the documentation is whole');
    t.equal(prompt.includes(`\n${header}\n`), quoted !== undefined, `${place} is shown where it is quoted from`);
    if (quoted !== undefined) t.ok(prompt.includes(`\n${quoted}\n`), 'and the quote is lines of it as they stand');
  }
  t.ok(rows.some(({ answer }) => !answer.startsWith('##begin_quote##')), 'some have no document that answers');
});

t.test('retrieval: a docstring that does not fit with its header is not asked for', async (t) => {
  const work = (at: number, length: number): string => `def work${at}(given):\n    """Does ${'w'.repeat(length)} ${at}."""\n    given += 1\n    return given\n\n`;
  const files = await studiesOf({ 'a.py': [245, 100, 100, 100, 100, 100, 100, 100].map((length, at) => work(at, length)).join('') });
  const rows = written(retrievalExamples(files, createNameIndex(files), settings));
  t.same(rows.map(({ prompt }) => /What does (\w+) do/.exec(prompt)![1]), ['work1', 'work2', 'work3', 'work4', 'work5', 'work6', 'work7']);
});

t.test('retrieval: a name that several have is asked for with its file', async (t) => {
  const train = await studiesOf(Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`src/a${at}.js`, documented(at < 2 ? 'same' : `work${at}`, at === 1 ? 1 : 2)])));
  const heldout = await studiesOf({ 'src/other.js': documented('work7', 2) });
  const rows = written(retrievalExamples(train, createNameIndex([...train, ...heldout]), settings));
  const askedOf = (path: string): string | undefined => rows.find((row) => row.path === path)?.prompt.split('\n').at(-1);
  t.same(['src/a0.js', 'src/a6.js', 'src/a7.js'].map(askedOf), ['What does same in src/a0.js do, and where is it?', 'What does work6 do, and where is it?', 'What does work7 in src/a7.js do, and where is it?']);
});

t.test('retrieval: no other document shows what is asked for', async (t) => {
  const shop = 'class Shop {\n  /** Opens the doors of the shop for all that come by. */\n  open(a) {\n    return a;\n  }\n}\n';
  const files = await studiesOf({ 'a.js': shop, 'b.js': `${documented('b', 1)}${documented('c', 1)}${documented('d', 1)}${documented('e', 1)}` });
  for (const seed of [1n, 2n, 3n, 4n, 5n, 6n]) {
    const rows = written(retrievalExamples(files, createNameIndex(files), { ...settings, seed, noOracleShare: 1 }));
    t.ok(rows.some(({ path }) => path === 'a.js'), 'its class is no other document');
    for (const { prompt, answer } of rows) t.notOk(prompt.includes(answer.split('\n').slice(0, -1).join('\n')), answer);
  }
});

t.test('explanation: a section is about a name in its heading that stands for one definition', async (t) => {
  const text = 'It is a long text that says much about what this does and why it is there.';
  const files = await studiesOf({
    'a.js': 'export function start(a) {\n  return a;\n}\nexport function open_door(a) {\n  return a;\n}\nexport function twice(a) {\n  return a;\n}\nexport function close(a) {\n  return a;\n}\n',
    'b.js': 'export function twice(b) {\n  return b;\n}\n',
    'n.md': `# How to start\n\n${text}\n\n## \`open_door\`\n\n${text}\n\n## close(door)\n\n${text}\n\n${'A second part that is much too long. '.repeat(30)}\n\n## \`twice\`\n\n${text}\n\n## \`start\` and \`close\`\n\n${text}\n`,
  });
  const rows = written(explanationExamples(files, createNameIndex(files)));
  t.same(rows.map(({ prompt, answer }) => [prompt.split('\n')[0], answer]), [['Explain open_door in a.js:', text], ['Explain close in a.js:', text]]);
});

t.test('function completion: bodies that do not fit are left out, and what is left out before one is marked', async (t) => {
  const step = '        self.item = first.item.of.all(given, 1)\n';
  const [study] = await studiesOf({
    'a.py': `class Shop:\n    """Sells."""\n\n    def long(self, given):\n${step.repeat(30)}\n    def short(self, given):\n${step.repeat(2)}\n\nclass Door:\n    def open(self, given):\n${step.repeat(2)}\ndef one(): return 'a text that is long enough to be asked for'\n`,
  }) as [StudyFile];
  const rows = written(functionExamples(study, settings));
  t.same(rows.map(({ answer }) => answer), [step.repeat(2).trimEnd(), step.repeat(2).trimEnd()]);
  const [short, open] = rows.map(({ prompt }) => prompt.split('\n\n').slice(1).join('\n\n')) as [string, string];
  t.equal(short.slice(0, short.indexOf('self.item')), 'class Shop:\n    # ...\n        ');
  t.ok(study.file.text.includes(open), 'what follows the head of its class is not marked');
});

/** Questions of files to train on, where these and others are there. */
async function questions(train: Record<string, string>, heldout: Record<string, string> = {}): Promise<Map<string, string>> {
  const [own, other] = [await studiesOf(train), await studiesOf(heldout)];
  const all = [...own, ...other];
  const rows = written(questionExamples(own, await buildGraph(all, async () => undefined), createNameIndex(all)));
  return new Map(rows.map(({ prompt, answer }) => [prompt, answer]));
}

const door = 'export function open(a) {\n  return a;\n}\nexport function close(a) {\n  return a;\n}\n';
const user = (name: string): string => `import fs from 'node:fs';\nimport {\n  open,\n} from './door.js';\nexport function ${name}(a) {\n  return open(a);\n}\n`;

t.test('questions: a list is whole, or not asked for', async (t) => {
  const asked = await questions({ 'door.js': door, 'a.js': user('one'), 'b.js': user('two') });
  t.equal(asked.get('Which files import door.js?'), "a.js:4:} from './door.js';\nb.js:4:} from './door.js';", 'with the line that names the file');
  t.equal(asked.get('Where is open of door.js called?'), 'a.js:6:  return open(a);\nb.js:6:  return open(a);');
  t.equal(asked.get('What does a.js import?'), "a.js:1:import fs from 'node:fs';\na.js:4:} from './door.js';");
  t.equal(asked.get('How does a.js use door.js?'), "a.js:4:} from './door.js';\na.js:6:  return open(a);");
  t.equal(asked.get('Which functions, classes and types are defined at the top of door.js?'), 'door.js:1:export function open(a) {\ndoor.js:4:export function close(a) {');

  const sided = await questions({ 'door.js': door, 'a.js': user('one') }, { 'b.js': user('two') });
  for (const prompt of ['Which files import door.js?', 'Where is open of door.js called?']) t.notOk(sided.has(prompt), `${prompt} has an answer on the other side`);
  t.ok(sided.has('How does a.js use door.js?'));
  const many = await questions({ 'door.js': door, ...Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`a${at}.js`, user(`one${at}`)])) });
  t.notOk(many.has('Which files import door.js?'), 'too many to fit');
  const late = await questions({ 'door.js': door, 'a.js': "export async function late() {\n  return import('./door.js');\n}\n" });
  t.equal(late.get('Which files import door.js?'), "a.js:2:  return import('./door.js');");
  const unsure = await questions({ 'door.js': door, 'a.js': user('one'), 'b.js': 'export function b(x) {\n  return x.open(1);\n}\n' });
  t.notOk(unsure.has('Where is open of door.js called?'), 'another call may be one');
  const more = await questions({ 'door.js': `${door}export const twice = (a) => open(open(a));\n`, 'a.js': `${user('one')}export const late = (name) => import(name);\n` });
  t.notOk(more.has('Which functions, classes and types are defined at the top of door.js?'), 'a function without a block');
  t.notOk(more.has('What does a.js import?'), 'an import that is no statement');
});

t.test('questions: a name that several have is asked for in its file', async (t) => {
  const asked = await questions({ 'a.js': door, 'b.js': 'export function open(b) {\n  return b;\n}\n' }, { 'c.py': 'class Shop:\n    def close(self):\n        return 1\n' });
  t.same([...asked.keys()].filter((prompt) => prompt.startsWith('Where')), ['Where in a.js is open defined?', 'Where in a.js is close defined?', 'Where in b.js is open defined?']);
  t.ok((await questions({ 'a.js': door })).has('Where is open defined?'));
});

t.test('questions: in Go, packages are imported', async (t) => {
  const use = (name: string): string => `package main\n\nimport "example.org/shop/door"\n\nfunc ${name}() {\n\tdoor.Open()\n}\n`;
  const files = { 'go.mod': 'module example.org/shop\n', 'door/a.go': 'package door\n\nfunc Open() {\n}\n', 'door/b.go': 'package door\n\nfunc Shut() {\n}\n', 'main.go': use('main') };
  const asked = await questions(files);
  t.equal(asked.get('Which files import the package in door?'), 'main.go:3:import "example.org/shop/door"');
  t.notOk([...asked.keys()].some((prompt) => /import door\/|use door\/b/.test(prompt)));
  t.notOk((await questions(files, { 'other.go': use('other') })).has('Which files import the package in door?'));
});
