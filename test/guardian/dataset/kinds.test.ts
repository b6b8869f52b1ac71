import t from 'tap';
import type { Example, StudyFile } from '../../../guardian/dataset/kinds/example.ts';
import { explanationExamples } from '../../../guardian/dataset/kinds/explanation.ts';
import { functionExamples } from '../../../guardian/dataset/kinds/function-completion.ts';
import { createNameIndex } from '../../../guardian/dataset/kinds/names.ts';
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
