import t from 'tap';
import { anyAnswer } from '../bench/gateway/payloads.ts';
import { startProduct } from '../bench/gateway/product.ts';
import { startUpstream } from '../bench/gateway/upstream.ts';
import { testSeed } from '../support/seed.ts';
import { fuzz } from './fuzz.ts';

t.setTimeout(120_000);

t.test('mutated requests to all routes: each gets an answer, and none a fault', { skip: process.platform === 'linux' ? false : 'needs taskset and /proc' }, async (t) => {
  const seed = testSeed() % 1_000_000;
  t.comment(`seed ${seed}`);
  const upstream = await startUpstream(anyAnswer);
  t.teardown(() => upstream.close());
  const product = await startProduct({ core: 0, otherCore: 0, upstreamUrl: upstream.url, guardianStays: true });
  t.teardown(() => product.stop());
  const { faults, routes } = await fuzz({ url: product.gateway.url, seed, from: 0, count: 1_500, atOnce: 16, sample() {} });
  t.same(faults.map(({ number, what, request }) => ({ number, what, at: `${request.verb} ${request.path}` })), [], `\`npm run fuzz -- --seed ${seed} --count 1500\` does it again`);
  t.ok(routes > 100, `${routes} kinds of request`);
  t.equal((await fetch(`${product.gateway.url}/v1/models`)).status, 200, 'it still serves');
});
