/**
 * Mutated requests to all routes of a real gateway: `npm run fuzz -- --seed N --count M [--from K] [--at-once L]`. Ends with
 * status 1 where a request was answered by a fault, got no answer, or where memory grew. Linux only.
 */
import { parseArgs } from 'node:util';
import { startProduct } from '../bench/gateway/product.ts';
import { anyAnswer } from '../bench/gateway/payloads.ts';
import { median } from '../bench/gateway/http1-load.ts';
import { startUpstream } from '../bench/gateway/upstream.ts';
import { fuzz } from './fuzz.ts';

/** Memory may be so much larger at the end than it was after the warm-up: collectors work when they like. */
const growthMiB = 16;

const { values } = parseArgs({ options: { seed: { type: 'string', default: String(Date.now() % 1e6) }, count: { type: 'string', default: '100000' }, from: { type: 'string', default: '0' }, 'at-once': { type: 'string', default: '16' } } });
const upstream = await startUpstream(anyAnswer);
const product = await startProduct({ core: 0, otherCore: 1, upstreamUrl: upstream.url, guardianStays: true });
try {
  const samples: number[] = [];
  const started = performance.now();
  console.log(`seed ${values.seed}`);
  const { faults, routes } = await fuzz({
    url: product.gateway.url, seed: Number(values.seed), from: Number(values.from), count: Number(values.count), atOnce: Number(values['at-once']),
    sample(sent) {
      samples.push(product.gateway.residentMiB());
      console.log(`${sent} sent, ${samples.at(-1)!.toFixed(0)} MiB resident, ${(sent / ((performance.now() - started) / 1_000)).toFixed(0)} a second`);
    },
  });
  for (const { number, what, request } of faults) console.log(`\nFAULT --seed ${values.seed} --from ${number} --count 1: ${what}\n${request.kind} ${request.verb} ${request.path} ${JSON.stringify(request.headers)}\n${request.body?.toString('latin1')}`);
  // The first fifth warms up; then the middle of the first third is held against that of the last one.
  const warm = samples.slice(Math.floor(samples.length / 5));
  const third = Math.ceil(warm.length / 3);
  const grown = median(warm.slice(-third)) - median(warm.slice(0, third));
  console.log(`${values.count} requests to ${routes} kinds of request, ${faults.length} faults; resident memory ${median(warm.slice(0, third)).toFixed(0)} MiB after the warm-up, ${grown.toFixed(1)} MiB more at the end`);
  if (faults.length > 0 || grown > growthMiB) process.exitCode = 1;
} finally {
  await product.stop();
  upstream.close();
}
