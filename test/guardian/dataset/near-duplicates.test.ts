import fc from 'fast-check';
import t from 'tap';
import { createBreather } from '../../../guardian/dataset/breather.ts';
import { clusterNearDuplicates, threshold } from '../../../guardian/dataset/duplicates/near-duplicates.ts';
import { createShingleReader, distinct, resemblance } from '../../../guardian/dataset/duplicates/shingles.ts';
import { bins, estimate, writeSignature } from '../../../guardian/dataset/duplicates/signature.ts';

const breathe = createBreather(new AbortController().signal);
const cluster = (...texts: string[]): Promise<number[]> => clusterNearDuplicates(texts, breathe);

/** Words unlike those of any other start. */
function words(count: number, start: number): string[] {
  return Array.from({ length: count }, (_, at) => `word${start + at}`);
}

/** A copy with so many words replaced, evenly spread. */
function altered(text: readonly string[], changes: number): string[] {
  const step = Math.floor(text.length / changes);
  return text.map((word, at) => (at % step === 0 && at / step < changes ? `other${at}` : word));
}

/** The definition in the plainest form. */
function exact(a: string, b: string): number {
  const shingles = (text: string): Set<string> => {
    const tokens = text.match(/[\w\u0080-\uffff]+/g) ?? [];
    if (tokens.length < 5) return new Set(tokens.length === 0 ? [] : [JSON.stringify(tokens)]);
    return new Set(tokens.slice(4).map((_, at) => JSON.stringify(tokens.slice(at, at + 5))));
  };
  const [first, second] = [shingles(a), shingles(b)];
  const shared = first.intersection(second).size;
  return shared === 0 ? 0 : shared / (first.size + second.size - shared);
}

function hashed(a: string, b: string): number {
  const reader = createShingleReader();
  return resemblance(distinct(reader.read(a)), distinct(reader.read(b)));
}

t.test('equal texts, and equal but for layout and punctuation, are one cluster named by its first', async (t) => {
  const text = words(300, 0);
  const other = words(300, 1_000).join(' ');
  t.same(await cluster(other, text.join(' '), text.join('\n\t'), `${text.join(', ')};`, other), [0, 1, 1, 1, 0]);
  t.same(await cluster('', '', '{}', '{ }', '{}'), [0, 0, 2, 3, 2], 'without tokens only what is equal');
  t.same(await cluster('a b', 'a b', 'a  b', 'b a', 'a b c'), [0, 0, 0, 3, 4], 'shorter than a shingle');
  t.same(await cluster("export * from './river';", "export * from './lamp';"), [0, 1]);
  t.same(await cluster(), []);
});

t.test('texts above the threshold are found, those below are not', async (t) => {
  const text = words(1_000, 0);
  // Each word replaced in the middle alters five shingles: n changes give (s - 5n) / (s + 5n) of s shingles.
  for (const [changes, alike] of [[5, true], [15, true], [20, true], [21, true], [24, false], [30, false], [60, false]] as const) {
    const copy = altered(text, changes).join(' ');
    t.equal(exact(text.join(' '), copy) >= threshold, alike, `${changes} changes: what was meant`);
    t.same(await cluster(text.join(' '), copy), alike ? [0, 0] : [0, 1], `${changes} changes`);
  }
});

t.test('links connect: a text that has two near-duplicates joins them', async (t) => {
  const middle = words(1_000, 0);
  const one = altered(middle, 18);
  const two = middle.map((word, at) => (at % 50 === 25 && at < 900 ? `two${at}` : word));
  t.ok(exact(one.join(' '), two.join(' ')) < threshold, 'the two are none of each other');
  const texts = [one, two, middle].map((text) => text.join(' '));
  t.same(await cluster(texts[0]!, texts[1]!), [0, 1]);
  t.same(await cluster(...texts), [0, 0, 0]);
  t.same(await cluster('unlike', texts[2]!, texts[1]!, texts[0]!), [0, 1, 1, 1]);
});

t.test('a text inside another is found when nearly as long, else not', async (t) => {
  const text = words(600, 0);
  t.same(await cluster(text.slice(20, 560).join(' '), text.join(' ')), [0, 0]);
  t.same(await cluster(text.slice(20, 420).join(' '), text.join(' ')), [0, 1]);
  t.same(await cluster(text.slice(0, 30).join(' '), text.join(' ')), [0, 1]);
});

t.test('the resemblance is that of the sets of shingles, in every script', async (t) => {
  const word = fc.constantFrom('a', 'b', 'if', 'x1', 'größe', '変数', '🙂', '+', '\n');
  fc.assert(fc.property(fc.array(word, { maxLength: 40 }), fc.array(word, { maxLength: 40 }), (a, b) => Math.abs(hashed(a.join(' '), b.join(' ')) - exact(a.join(' '), b.join(' '))) < 1e-9), { seed: 1, numRuns: 500 });
  t.pass();
});

t.test('the estimate is near the resemblance, also where bins are borrowed', async (t) => {
  const reader = createShingleReader();
  const signatureOf = (text: string): Uint32Array => {
    const signature = new Uint32Array(bins);
    writeSignature(reader.read(text), signature);
    return signature;
  };
  for (const [size, bound] of [[40, 0.3], [400, 0.13], [4_000, 0.13]] as const) {
    let bias = 0;
    const samples = 60;
    for (let sample = 0; sample < samples; sample += 1) {
      const text = words(size, sample * 10_000);
      const copy = altered(text, 1 + Math.floor(size / 50));
      const error = estimate(signatureOf(text.join(' ')), signatureOf(copy.join(' '))) - exact(text.join(' '), copy.join(' '));
      t.ok(Math.abs(error) < bound, `${size} words: off by ${error.toFixed(3)}`);
      bias += error / samples;
    }
    t.ok(Math.abs(bias) < bound / 5, `${size} words: unbiased, ${bias.toFixed(4)}`);
  }
  t.throws(() => writeSignature(new Uint32Array(0), new Uint32Array(bins)), 'nothing has no signature');
  const last = new Uint32Array(bins);
  writeSignature(Uint32Array.of(0xffffffff), last);
  t.equal(new Set(last).size, 1, 'the greatest hash is a hash too');
});

t.test('what it gives does not depend on the machine, and many copies do not cost their square', async (t) => {
  const copies = Array.from({ length: 3_000 }, (_, at) => [...words(200, 0), `${at}`].join(' '));
  const texts = [...copies, ...Array.from({ length: 500 }, (_, at) => words(200, 100_000 + at * 1_000).join(' '))];
  const started = performance.now();
  const clusters = await clusterNearDuplicates(texts, breathe);
  t.comment(`${texts.length} texts in ${Math.round(performance.now() - started)} ms`);
  t.same(clusters, texts.map((_, at) => (at < 3_000 ? 0 : at)));
  const reader = createShingleReader();
  t.same([...reader.read('the quick brown fox jumps over')], [...reader.read('the, quick; brown fox: jumps (over)')]);
  t.same([...reader.read('the quick brown fox jumps over')], [2_608_925_815, 1_504_152_861]);
});

t.test('it stops when it is told to', async (t) => {
  const gone = new AbortController();
  gone.abort(new Error('enough'));
  await t.rejects(clusterNearDuplicates(['a', 'b'], async () => gone.signal.throwIfAborted()), { message: 'enough' });
});
