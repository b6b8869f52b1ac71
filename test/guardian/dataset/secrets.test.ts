import t from 'tap';
import { findSecrets, secretKinds } from '../../../guardian/dataset/secrets/find-secrets.ts';
import { entropy } from '../../../guardian/dataset/secrets/plausible.ts';
import { base62, hex, innocents, planted, randomText } from './secret-samples.ts';

t.test('each planted secret is found, by its kind, exactly where it stands', async (t) => {
  for (const [kind, before, secret, after] of planted) {
    const found = findSecrets(`first line\n${before}${secret}${after}`);
    const start = 'first line\n'.length + before.length;
    // Of a private key its header is named: whoever finds that leaves the whole out.
    const end = kind === 'private_key' ? start + secret.search(/-----(?!BEGIN)/) + 5 : start + secret.length;
    t.same(found, [{ kind, start, end }], `${kind} after ${JSON.stringify(before)}`);
  }
});

t.test('every kind is planted, and has one name', async (t) => {
  t.same([...new Set(planted.map(([kind]) => kind))].sort(), [...secretKinds].sort());
  t.equal(new Set(secretKinds).size, secretKinds.length);
  t.ok(secretKinds.length >= 12);
});

t.test('innocent text is passed over', async (t) => {
  for (const text of innocents) t.same(findSecrets(`first line\n${text}\nlast line`), [], JSON.stringify(text.slice(0, 60)));
});

t.test('many secrets in one text: all, in order, none twice', async (t) => {
  const text = planted.map(([, before, secret, after]) => before + secret + after).join('\n\n');
  const found = findSecrets(text);
  t.same(found.map(({ kind }) => kind), planted.map(([kind]) => kind));
  for (const [index, { start, end }] of found.entries()) t.ok(start < end && (index === 0 || start >= found[index - 1]!.end));
  t.same(findSecrets(text), found, 'and again: nothing is kept between calls');
  const token = `gh${'p_'}${randomText(base62, 36, 'url')}`;
  t.same(findSecrets(`https://robot:${token}@git.internal/shop`), [{ kind: 'url_password', start: 14, end: 14 + token.length }]);
});

t.test('entropy is that of Shannon', async (t) => {
  t.equal(entropy(''), 0);
  t.equal(entropy('aaaa'), 0);
  t.equal(entropy('abab'), 1);
  t.equal(entropy('abcdefgh'), 3);
});

t.test('random values are found with few misses, words with few alarms', async (t) => {
  const share = (alphabet: string, length: number): number => Array.from({ length: 300 }, (_, seed) => findSecrets(`api_key = "${randomText(alphabet, length, `${seed}`)}"`).length).reduce((sum, count) => sum + count, 0) / 300;
  t.ok(share(hex, 32) > 0.98);
  t.ok(share(base62, 24) > 0.95);
  t.ok(share(`${base62}-_`, 43) > 0.98);
});

t.test('hostile text takes time in proportion to its length', async (t) => {
  const size = 1 << 20;
  const repeated = (part: string): string => part.repeat(Math.ceil(size / part.length)).slice(0, size);
  const clean = repeated('export function total(items) {\n  return items.reduce((sum, item) => sum + item.price, 0);\n}\n\n');
  const time = (text: string): number => {
    const started = performance.now();
    findSecrets(text);
    return performance.now() - started;
  };
  time(clean);
  const least = Math.min(time(clean), time(clean), time(clean));
  t.comment(`clean: ${Math.round(size / 1e3 / least)} MB/s`);
  const hostile = ['eyJ', 'eyJaaaaaaaaaa.', 'eyJaaaaaaaaaaaa.eyJaaaa', 'secret', 'secret=', 'secret="', 'secret: ', 'token-', 'secret_a = "b', '://', '://a:', '://a:b', '://a:b@', 'a:b@://', 'basic ', 'basic a', 'bearer a.', `-----${'BEGIN'} `, `-----${'BEGIN'} RSA `, `-----${'BEGIN'} PRIVATE KEY-----`, 'sk-', 'sk-ant-', 'xoxb-1', '1234567890', '1234567890:AA', 'AccountKey=a', 'SG.a', 'pypi-', '"private_key_id" : ', 'hooks.slack.com/services/a', '$', 'secret\t\t\t\t', 'password="Aa1!', `gh${'p_'}a`, 'secret_secret-secret=a1b2', 'key=', 'key="aB1!', 'auth: (\n', 'token=\n ', 'password \n', 'login a password ', 'authorization: token ', 'Private-Lines: 1\nabcd', '<password>aB1!', 'pass=Aa1!<'];
  for (const part of hostile) {
    for (const text of [repeated(part), `secret = "${repeated(part)}`, part + repeated('a1B2')]) {
      const took = time(text);
      t.ok(took < least * 100 + 50, `${JSON.stringify(part)}: ${Math.round(took)} ms`);
    }
  }
});
