import fc from 'fast-check';
import t from 'tap';
import { createWindowReader } from '../../../guardian/dataset/full/tokens.ts';
import { createWindowSet } from '../../../guardian/dataset/full/window-set.ts';
import { runsOf } from './overlap.ts';

const tokens = fc.array(fc.constantFrom('a', 'bc', 'x_1', '(', ')', ';', 'ü', '9', '"', '=='), { minLength: 0, maxLength: 130 });
const gap = fc.constantFrom(' ', '\n', '\t\t', ' \u00a0 ');

t.test('runs of 50 tokens have equal hashes when they are equal, whatever the layout, and only then', async (t) => {
  const reader = createWindowReader();
  fc.assert(fc.property(tokens, gap, gap, (list, one, other) => {
    const hashes = [...reader.read([list.join(one)])];
    t.strictSame([...reader.read([list.join(other)])], hashes);
    t.equal(new Set(hashes).size, runsOf(list.join(one)).size);
    t.equal(hashes.length, Math.max(0, list.join(' ').replace(/==/g, '= =').split(' ').filter((token) => token !== '').length - 49));
  }), { numRuns: 200, seed: 7 });
});

t.test('a run goes on from one text to the next', async (t) => {
  const reader = createWindowReader();
  const words = Array.from({ length: 80 }, (_, at) => `w${at}`);
  const whole = [...reader.read([words.join(' ')])];
  t.equal(whole.length, 31);
  t.same([...reader.read([words.slice(0, 20).join(' '), words.slice(20).join(' ')])], whole);
  t.same([...reader.read([words.slice(0, 49).join(' ')])], [], 'fewer than 50 are no run');
  t.equal(new Set(whole).size, 31);
});

t.test('a set of hashes keeps what was added, and no more', async (t) => {
  const set = createWindowSet();
  const hashOf = (at: number): number => (at * 6_364_136_223_846 + 1_442_695_041) % 2 ** 53;
  for (let at = 0; at < 20_000; at += 1) set.add(hashOf(at));
  for (let at = 0; at < 20_000; at += 1) if (!set.has(hashOf(at))) t.fail(`${at} was added`);
  for (let at = 20_000; at < 60_000; at += 1) if (set.has(hashOf(at))) t.fail(`${at} was not added`);
  t.ok(set.has(hashOf(7)));
});
