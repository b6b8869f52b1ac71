import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import { TelemetrySchema } from '../../../core/gen/aiforge/v1/worker_pb.ts';
import { createLogger } from '../../../core/logger.ts';
import { connectNats } from '../../../core/nats.ts';
import { createJetStreamStore } from '../../../core/store/jetstream-store.ts';
import { Ledger } from '../../../core/store/ledger.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { median } from '../gateway/http1-load.ts';
import { startPinned } from '../gateway/pinned-process.ts';
import { gatewayPlace, serverCore } from './bench-gateway.ts';
import { startBenchNats } from './bench-nats.ts';
import { percentile, shownMs, type Figure } from './figure.ts';
import { startTask } from './running-task.ts';
import { openWatchers, type WatchingClients } from './watching-clients.ts';

const rounds = 3;
const perSecond = 10;
const pacedMessages = 30;
const burstMessages = 60;
const patienceMs = 30_000;

interface Side {
  port: number;
  path: string;
  /** Publishes the message of a step. */
  publish(step: number): void;
  /** Of one run. */
  results: Run[];
}

interface Run {
  /** Share of all messages to all clients that came. */
  delivered: number;
  p50: number;
  p99: number;
  perSecond: number;
}

/**
 * One job with many watchers: metrics at 10 messages/s and as fast as they go, each from its publish until a client has
 * read it, beside bare `ws` servers that get their messages over NATS too.
 */
export async function* measureWatchers(wanted: number): AsyncIterable<Figure> {
  const files = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }));
  const watchers = Number.isNaN(files) ? wanted : Math.min(wanted, files - 500);
  const fewer = watchers < wanted ? `, since ulimit -n is ${files}` : '';
  const nats = await startBenchNats('always');
  const place = await gatewayPlace(nats.url, { FORGE_MAX_REQUESTS: String(2 * wanted), FORGE_MAX_REQUESTS_PER_KEY: String(2 * wanted), FORGE_LOSS_MS: '3600000' });
  const gateway = await place.start();
  const reference = (mode: string) => startPinned(serverCore, [join(import.meta.dirname, 'references/ws-broadcast.ts'), nats.url, mode]);
  const [shared, each] = [await reference('shared'), await reference('each')];
  const connection = await connectNats(nats.url, 'bench');
  try {
    const ledger = new Ledger({ store: await createJetStreamStore(connection), aggregates: [taskAggregate] as never, logger: createLogger('bench') });
    await ledger.start();
    const text = { value: '' };
    const broadcast = (step: number): void => connection.publish('bench.broadcast', text.value.replace(/"step":\d+/, `"step":${step}`));
    let jobs = 0;
    const ours = async (): Promise<Side> => {
      const jobId = `job_watched_${++jobs}`;
      await startTask(ledger, jobId, 'bench');
      return { port: gateway.port, path: `/ws/training/${jobId}`, publish: (step) => publishMetric(connection, jobId, step), results: oursResults };
    };
    const oursResults: Run[] = [];
    const bare = (port: number): Side => ({ port, path: '/', publish: broadcast, results: [] });
    const [sharedSide, eachSide] = [bare(shared.port), bare(each.port)];
    // Its text is what the references send too.
    await run(await ours(), 1, 1, perSecond, (seen) => (text.value = seen));

    for (let round = 0; round < rounds; round++) {
      const sides = [await ours(), sharedSide];
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) side.results.push(await run(side, watchers, pacedMessages, perSecond));
    }
    const name = `one job, ${watchers.toLocaleString('en')} watchers${fewer}`;
    const of = (results: Run[], key: keyof Run): number => median(results.map((one) => one[key]));
    const shown = (results: Run[]): string => `${(of(results, 'delivered') * 100).toFixed(2)} % delivered, p50 ${shownMs(of(results, 'p50'))}, p99 ${shownMs(of(results, 'p99'))}`;
    const ratio = of(oursResults, 'p99') / of(sharedSide.results, 'p99');
    yield {
      what: `${name}, ${perSecond} messages/s`, measured: `${shown(oursResults)}; ${ratio.toFixed(2)}`, reference: `bare ws, one shared frame: ${shown(sharedSide.results)}`,
      aim: '≥ 99 %, p99 ≤ 1.10', met: of(oursResults, 'delivered') >= 0.99 && ratio <= 1.1,
    };

    oursResults.length = 0;
    for (let round = 0; round < rounds; round++) {
      const sides = [await ours(), eachSide];
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) side.results.push(await run(side, watchers, burstMessages, Infinity));
    }
    const speed = of(oursResults, 'perSecond') / of(eachSide.results, 'perSecond');
    const shownSpeed = (results: Run[]): string => `${Math.round(of(results, 'perSecond')).toLocaleString('en')} deliveries/s`;
    yield { what: `${name}, full rate`, measured: `${shownSpeed(oursResults)}; ${speed.toFixed(2)}`, reference: `bare ws, send to each: ${shownSpeed(eachSide.results)}`, aim: '≥ 1.15', met: speed >= 1.15 };
    await ledger.stop();
  } finally {
    for (const process of [gateway, shared, each]) await process.stop();
    await connection.close();
    await place.remove();
    await nats.stop();
  }
}

function publishMetric(connection: NatsConnection, jobId: string, step: number): void {
  const metric = { step: BigInt(step), totalSteps: 1_000n, epoch: 1, loss: 1.5, learningRate: 2e-4, gradNorm: 0.7, tokensPerSecond: 5_000, timeMs: BigInt(Date.now()) };
  connection.publish(`telemetry.bench.${jobId}`, toBinary(TelemetrySchema, create(TelemetrySchema, { taskId: jobId, attempt: 1, number: BigInt(step), timeMs: BigInt(Date.now()), metrics: [metric] })));
}

/** @param rate messages a second */
async function run(side: Side, watchers: number, messages: number, rate: number, onText?: (text: string) => void): Promise<Run> {
  const clients: WatchingClients = await openWatchers(side.port, side.path, watchers);
  try {
    // Garbage of the openings is not counted, and all feeds have told what there was.
    await setTimeout(1_000);
    const sentAt = new Float64Array(messages + 1);
    const delays: number[] = [];
    let lastAt = 0;
    const all = Promise.withResolvers<void>();
    clients.onStep = (step) => {
      lastAt = performance.now();
      if (delays.push(lastAt - sentAt[step]!) === watchers * messages) all.resolve();
    };
    const from = performance.now();
    for (let step = 1; step <= messages; step++) {
      if (rate !== Infinity) await setTimeout(Math.max(0, from + (step - 1) * (1_000 / rate) - performance.now()));
      sentAt[step] = performance.now();
      side.publish(step);
    }
    await Promise.race([all.promise, setTimeout(patienceMs, undefined, { ref: false })]);
    onText?.(clients.text);
    return { delivered: delays.length / (watchers * messages), p50: percentile(delays, 0.5), p99: percentile(delays, 0.99), perSecond: delays.length / ((lastAt - from) / 1_000) };
  } finally {
    clients.close();
  }
}
