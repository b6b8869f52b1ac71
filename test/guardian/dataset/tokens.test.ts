import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { countRows } from '../../../guardian/dataset/tokens/count-rows.ts';
import { createTokenCounter, type TokenCounter } from '../../../guardian/dataset/tokens/counter.ts';
import { findTokenizer, type FoundTokenizer } from '../../../guardian/dataset/tokens/find-tokenizer.ts';
import { needsTrainer } from '../../support/real-export.ts';
import { makeFolder } from '../../support/repository.ts';
import { randomText } from './secret-samples.ts';

const root = resolve(import.meta.dirname, '../../..');
const never = new AbortController().signal;
const needed = needsTrainer();
const folder = await makeFolder(t);
const texts = await makeTexts();
await writeFile(join(folder, 'texts.json'), JSON.stringify(texts));
if (needed.skip === undefined) await promisify(execFile)(join(root, '.venv/bin/python'), [join(import.meta.dirname, 'make_tokenizers.py'), folder], { env: { PATH: process.env['PATH'], PYTHONPATH: join(root, 'gpu-agent/trainer'), HOME: folder, HF_HUB_OFFLINE: '1' }, timeout: 120_000 });

/** Code of this project in pieces, and what is hard: other scripts, emoji, white space, control characters, markers. */
async function makeTexts(): Promise<string[]> {
  const hard = ['', ' ', '  ', '\n', '\n\n\n', '\t\t x', ' leading', 'trailing ', 'a  b   c    d     e', '\r\n\r\n', 'größe = "über"; // ß', '変数 = 関数(値)', 'ключ: значение', '🙂🙃👩‍👩‍👧 family', 'e\u0301 is not é', '\u00a0\u2003wide', '\u0000\u0001\u001b[0m', '▁ is a mark', 'a▁b', 'x<|im_end|>y', '<|im_start|>user\nhi<|im_end|>\n', '<unk><s></s>', '\ud83d\ude00'.repeat(20), 'a'.repeat(500), '0123456789'.repeat(20), '    '.repeat(40), '=>!==&&||??...', 'مرحبا بالعالم', 'हिन्दी', '\u{20000}\u{2f800}'];
  const sources = await Promise.all(['core/task/decide.ts', 'core/task/evolve.ts', 'gpu-agent/trainer/forge_trainer/starter.py', 'guardian/dataset/full/plan.ts', 'README.md', 'core/store/ledger.ts', 'core/worker/worker.ts', 'core/worker/attempt.ts'].map((path) => readFile(join(root, path), 'utf8')));
  const pieces = sources.flatMap((source) => Array.from({ length: 30 }, (_, at) => source.slice(at * 180, at * 180 + 60 + at * 20)));
  return [...hard, ...pieces.filter((piece) => piece !== '')].slice(0, 220);
}

async function found(name: string): Promise<FoundTokenizer> {
  const tokenizer = await findTokenizer({ name, revision: '' }, { signal: never, env: {} });
  if ('missing' in tokenizer) throw new Error(tokenizer.missing);
  return tokenizer;
}

t.test('counts are those of the Python library', needed, async (t) => {
  t.ok(texts.length >= 200, `${texts.length} texts`);
  for (const [kind, counts] of [['byte-level', 'byte-level'], ['unigram', 'unigram'], ['starter', 'starter'], ['starter-saved', 'starter']] as const) {
    const count = createTokenCounter(await found(join(folder, kind)));
    const wanted = JSON.parse(await readFile(join(folder, `${counts}.json`), 'utf8')) as number[];
    const wrong = texts.flatMap((text, at) => (count(text) === wanted[at] ? [] : [[text.slice(0, 40), count(text), wanted[at]]]));
    t.same(wrong, [], kind);
  }
});

t.test("a starter's SentencePiece model becomes what transformers makes of it", needed, async (t) => {
  const [made, saved] = await Promise.all([found(join(folder, 'starter')), found(join(folder, 'starter-saved'))]);
  const model = ({ tokenizerJson }: FoundTokenizer) => (tokenizerJson as { model: { vocab: object; merges: unknown } }).model;
  t.strictSame(model(made).merges, model(saved).merges);
  t.strictSame(model(made).vocab, model(saved).vocab);
  const config = JSON.parse(await readFile(join(folder, 'starter/tokenizer_config.json'), 'utf8'));
  const other = await makeFolder(t);
  await cp(join(folder, 'starter/tokenizer.model'), join(other, 'tokenizer.model'));
  await writeFile(join(other, 'tokenizer_config.json'), JSON.stringify({ ...config, add_prefix_space: true }));
  t.match(await findTokenizer({ name: other, revision: '' }, { signal: never }), { missing: /of a kind that is not read here/ });
});

t.test('the starter is asked for by its name', needed, async (t) => {
  const baseModel = { name: 'ai-forge/starter', revision: '' };
  t.match(await findTokenizer(baseModel, { signal: never, starter: async () => join(folder, 'starter') }), { name: 'ai-forge/starter' });
  t.same(await findTokenizer(baseModel, { signal: never, starter: async () => undefined }), { missing: 'ai-forge/starter has not been made yet' });
  t.same(await findTokenizer({ name: '/nowhere/at/all', revision: '' }, { signal: never }), { missing: '/nowhere/at/all holds no tokenizer.json' });
  for (const name of ['../up', 'one', 'a/b/c', 'a/../b', '-a/b']) t.match(await findTokenizer({ name, revision: '' }, { signal: never, env: { HF_HUB_OFFLINE: '1' } }), { missing: /neither an absolute path nor a hub id|not in the Hugging Face cache/ }, name);
  t.match(await findTokenizer({ name: 'a/b', revision: '../../x' }, { signal: never }), { missing: /is no revision/ });
});

t.test('the cache of the hub is read by branch and by commit', needed, async (t) => {
  const home = await makeFolder(t);
  const commit = 'a1'.repeat(20);
  const cache = join(home, 'hub/models--shop--coder');
  await mkdir(join(cache, 'refs'), { recursive: true });
  await writeFile(join(cache, 'refs/main'), commit);
  await cp(join(folder, 'byte-level'), join(cache, 'snapshots', commit), { recursive: true });
  const env = { HF_HUB_OFFLINE: '1' };
  for (const revision of ['', 'main', commit]) {
    t.match(await findTokenizer({ name: 'shop/coder', revision }, { signal: never, env: { ...env, HF_HOME: home } }), { name: revision === '' ? 'shop/coder' : `shop/coder@${revision}` });
  }
  t.ok('tokenizerJson' in (await findTokenizer({ name: 'shop/coder', revision: '' }, { signal: never, env: { ...env, HF_HUB_CACHE: join(home, 'hub') } })));
  t.ok('tokenizerJson' in (await findTokenizer({ name: 'shop/coder', revision: '' }, { signal: never, env, cacheDir: join(home, 'hub') })));
  t.same(await findTokenizer({ name: 'shop/coder', revision: 'v2' }, { signal: never, env: { ...env, HF_HOME: home } }), { missing: 'shop/coder@v2 is not in the Hugging Face cache, and HF_HUB_OFFLINE is set' });
});

t.test('the hub is asked last, within bounds, and the token stays with it', needed, async (t) => {
  const json = await readFile(join(folder, 'byte-level/tokenizer.json'));
  const asked: string[] = [];
  const elsewhere = createServer((request, response) => {
    asked.push(`elsewhere ${request.headers.authorization}`);
    response.end(json);
  }).listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  const hub = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    if (request.url === '/shop/coder/resolve/main/tokenizer.json') response.writeHead(302, { location: `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/blob` }).end();
    else if (request.url === '/shop/coder/resolve/v1/tokenizer.json') response.end(json);
    else if (request.url?.startsWith('/shop/broken')) response.writeHead(500).end();
    else if (request.url?.startsWith('/shop/odd')) response.end('<html>');
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(hub, 'listening');
  t.teardown(() => (hub.close(), elsewhere.close(), hub.closeAllConnections(), elsewhere.closeAllConnections()));
  const endpoint = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
  const token = `h${'f_'}${randomText('abcdefgh', 34, 'token')}`;
  const options = { signal: never, cacheDir: '/nowhere', env: { HF_TOKEN: token, HF_ENDPOINT: endpoint } };
  t.match(await findTokenizer({ name: 'shop/coder', revision: '' }, options), { name: 'shop/coder', tokenizerConfig: {} });
  t.match(await findTokenizer({ name: 'shop/coder', revision: 'v1' }, { ...options, hubEndpoint: `${endpoint}/`, env: {} }), { name: 'shop/coder@v1' });
  t.same(asked, [`/shop/coder/resolve/main/tokenizer.json Bearer ${token}`, 'elsewhere undefined', `/shop/coder/resolve/main/tokenizer_config.json Bearer ${token}`, '/shop/coder/resolve/v1/tokenizer.json undefined', '/shop/coder/resolve/v1/tokenizer_config.json undefined']);
  for (const [name, why] of [['shop/none', /has no tokenizer.json/], ['shop/broken', /status 500/], ['shop/odd', /can not be fetched/]] as const) {
    const answer = await findTokenizer({ name, revision: '' }, options);
    t.match(answer, { missing: why });
    t.notOk(JSON.stringify(answer).includes(token));
  }
  t.match(await findTokenizer({ name: 'shop/coder', revision: '' }, { ...options, hubEndpoint: 'http://models.test' }), { missing: /no https address/ });
  t.match(await findTokenizer({ name: 'shop/coder', revision: '' }, { ...options, hubEndpoint: 'no address' }), { missing: /can not be fetched/ });
  const before = asked.length;
  t.match(await findTokenizer({ name: 'shop/coder', revision: '' }, { ...options, env: { ...options.env, HF_HUB_OFFLINE: '1' } }), { missing: /HF_HUB_OFFLINE/ });
  t.equal(asked.length, before, 'offline nobody is asked');
  await t.rejects(findTokenizer({ name: 'shop/coder', revision: '' }, { ...options, signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' });
});

t.test('rows are counted by kind, over the contents of all messages', async (t) => {
  const path = join(await makeFolder(t), 'train.jsonl');
  const row = (kind: string | undefined, ...contents: string[]) => `${JSON.stringify({ messages: contents.map((content) => ({ role: 'user', content })), kind })}\n`;
  await writeFile(path, row('b', 'one two', 'three') + row('a', 'four') + row('b', '') + row(undefined, 'five six'));
  const words: TokenCounter = (text) => text.split(' ').filter((word) => word !== '').length;
  const shares: number[] = [];
  t.same(await countRows(path, words, never, (share) => shares.push(share)), { rows: 4, tokens: 6, byKind: { a: 1, b: 3 } });
  t.same([shares.length, shares.at(-1)], [4, 1]);
  t.same(shares, shares.toSorted((a, b) => a - b));
  await writeFile(path, `${row('a', 'x')}{"messages": [{"role": "user"}]}\n`);
  await t.rejects(countRows(path, words, never, () => {}), /line 2 has no messages/);
  await writeFile(path, 'nothing\n');
  await t.rejects(countRows(path, words, never, () => {}), /line 1 is not JSON/);
  await t.rejects(countRows(path, words, AbortSignal.abort(new Error('enough')), () => {}));
});
