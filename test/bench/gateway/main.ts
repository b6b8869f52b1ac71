/**
 * How much the gateway costs beside bare references: `npm run bench [-- --only <part of a name>] [--rounds N] [--seconds S]`.
 * The server under test has core 0, the fake upstream and the load core 1. Every row is measured against its reference
 * within the same rounds, one after the other; medians of the rounds are shown. Linux with two cores or more, and taskset.
 */
import { create, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { GetJobRequestSchema, GetJobResponseSchema, JobService } from '../../../core/gen/aiforge/v1/job_pb.ts';
import { machine, revision } from '../machine.ts';
import { loadGrpc } from './grpc-load.ts';
import { loadHttp1, median } from './http1-load.ts';
import { chatAnswer, chatRequest, getRequest } from './payloads.ts';
import { startPinned, type PinnedProcess } from './pinned-process.ts';
import { startProduct } from './product.ts';
import { startUpstream } from './upstream.ts';

const serverCore = 0;
const loadCore = 1;
const { values: options } = parseArgs({ options: { only: { type: 'string', default: '' }, rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '4' } } });
const rounds = Number(options.rounds);
const durationMs = Number(options.seconds) * 1_000;
execFileSync('taskset', ['--cpu-list', '--pid', '--all-tasks', String(loadCore), String(process.pid)]);

const upstream = await startUpstream(chatAnswer);
const product = await startProduct({ core: serverCore, otherCore: loadCore, upstreamUrl: upstream.url });
const { gateway, jobId } = product;
const started: PinnedProcess[] = [];
const reference = async (name: string, argument: string): Promise<PinnedProcess> => {
  const process = await startPinned(serverCore, [join(import.meta.dirname, `references/${name}.ts`), argument]);
  started.push(process);
  return process;
};

interface Row {
  name: string;
  unit: string;
  /** `ratio`: product by reference, at least the aim; `added`: product minus reference, at most the aim. */
  kind: 'ratio' | 'added';
  aim: number;
  product: Side;
  reference: Side;
  /** Shown beside the others, and compared with nothing: what a proxy costs that does the least. */
  other?: Side;
}
interface Side {
  name: string;
  /** Whose processor time is shown; the direct way has none. */
  process?: PinnedProcess;
  measure(): Promise<number>;
}

try {
  const statusJson = await (await fetch(`${gateway.url}/status/${jobId}`)).text();
  const job = await createClient(JobService, createGrpcTransport({ baseUrl: gateway.url })).getJob({ jobId });
  const jobBytes = toBinary(GetJobResponseSchema, job);
  const fixed = await reference('fixed', statusJson);
  const undici = await reference('undici-proxy', upstream.url);
  const pipe = await reference('http-pipe', upstream.url);
  const grpc = await reference('grpc-server', toJsonString(GetJobResponseSchema, fromJsonString(GetJobResponseSchema, toJsonString(GetJobResponseSchema, job))));

  const http = (port: number, connections: number, request: Buffer) => loadHttp1({ port, connections, request, durationMs });
  const calls = (process: PinnedProcess) => loadGrpc({ port: process.port, path: '/aiforge.v1.JobService/GetJob', message: toBinary(GetJobRequestSchema, create(GetJobRequestSchema, { jobId })), expected: jobBytes.length, streams: 16, durationMs });
  const paced = chatRequest({ events: 40, pauseMs: 5, batch: 1 });
  const unpaced = chatRequest({ events: 4_000, pauseMs: 0, batch: 8 });
  const rows: Row[] = [
    ...[16, 64].map((connections): Row => ({
      name: `chat, ${connections} connections`, unit: 'requests/s', kind: 'ratio', aim: 0.8,
      product: { name: 'gateway', process: gateway, measure: async () => (await http(gateway.port, connections, chatRequest())).perSecond },
      reference: { name: 'undici proxy', process: undici, measure: async () => (await http(undici.port, connections, chatRequest())).perSecond },
    })),
    ...([[1, 0.4], [16, 1.5]] as const).map(([streams, aim]): Row => ({
      name: `first byte, ${streams} stream${streams > 1 ? 's' : ''} paced at 5 ms`, unit: 'ms', kind: 'added', aim,
      product: { name: 'gateway', process: gateway, measure: async () => (await http(gateway.port, streams, paced)).firstByteMs },
      reference: { name: 'upstream alone', measure: async () => (await http(upstream.port, streams, paced)).firstByteMs },
      other: { name: 'undici proxy', process: undici, measure: async () => (await http(undici.port, streams, paced)).firstByteMs },
    })),
    {
      name: 'stream, 16 unpaced', unit: 'events/s', kind: 'ratio', aim: 0.85,
      product: { name: 'gateway', process: gateway, measure: async () => (await http(gateway.port, 16, unpaced)).eventsPerSecond },
      reference: { name: 'node:http pipe', process: pipe, measure: async () => (await http(pipe.port, 16, unpaced)).eventsPerSecond },
    },
    {
      name: 'GET /status/{job_id}, 16 connections', unit: 'requests/s', kind: 'ratio', aim: 0.8,
      product: { name: 'gateway', process: gateway, measure: async () => (await http(gateway.port, 16, getRequest(`/status/${jobId}`))).perSecond },
      reference: { name: 'bare node:http', process: fixed, measure: async () => (await http(fixed.port, 16, getRequest(`/status/${jobId}`))).perSecond },
    },
    {
      name: 'gRPC GetJob, 16 at a time', unit: 'calls/s', kind: 'ratio', aim: 0.9,
      product: { name: 'gateway', process: gateway, measure: () => calls(gateway) },
      reference: { name: 'bare grpc-js', process: grpc, measure: () => calls(grpc) },
    },
  ].filter(({ name }) => name.includes(options.only)) as Row[];

  console.log(`${machine()}; ${revision()}; load before ${loadavg()[0]!.toFixed(1)}; medians of ${rounds} rounds of ${options.seconds} s\n`);
  console.log('| what | gateway | reference | | aim | |\n|---|---|---|---|---|---|');
  for (const row of rows) {
    // Compilers and connections warm up outside of what is counted.
    const sides = [row.product, row.reference, ...(row.other === undefined ? [] : [row.other])];
    const results = new Map<Side, Measured[]>(sides.map((side) => [side, []]));
    for (const side of sides) await side.measure();
    for (let round = 0; round < rounds; round++) {
      // Each goes first every other time.
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) results.get(side)!.push(await measured(side));
    }
    print(row, results);
  }
  const peak = gateway.peakMiB();
  console.log(`| peak memory of the gateway | ${peak.toFixed(0)} MiB | | | ≤ 110 MiB | ${peak <= 110 ? 'met' : 'missed'} |`);
} finally {
  for (const process of started) await process.stop();
  await product.stop();
  upstream.close();
}

interface Measured {
  value: number;
  /** Share of one core that the process used. */
  busy: number;
}

/** What one core would give, were nobody else on it: on a shared machine this is what can be compared. */
function perCore({ value, busy }: Measured): number {
  return value / busy;
}

async function measured(side: Side): Promise<Measured> {
  const cpu = side.process?.cpuMs() ?? 0;
  const from = performance.now();
  const value = await side.measure();
  return { value, busy: ((side.process?.cpuMs() ?? 0) - cpu) / (performance.now() - from) };
}

function print(row: Row, results: ReadonlyMap<Side, Measured[]>): void {
  const [product, reference] = [results.get(row.product)!, results.get(row.reference)!];
  const value = (all: Measured[]): number => median(all.map((one) => one.value));
  const shown = (side: Side): string => {
    const all = results.get(side)!;
    const busy = side.process === undefined ? '' : `, core ${(median(all.map((one) => one.busy)) * 100).toFixed(0)} % busy`;
    return `${side.name}: ${row.kind === 'ratio' ? Math.round(value(all)).toLocaleString('en') : value(all).toFixed(2)} ${row.unit}${busy}`;
  };
  const figure = row.kind === 'ratio' ? value(product) / value(reference) : value(product) - value(reference);
  const perCoreRatio = row.kind === 'ratio' ? `, ${(median(product.map(perCore)) / median(reference.map(perCore))).toFixed(2)} per second of processor` : ' ms more';
  const met = row.kind === 'ratio' ? figure >= row.aim : figure <= row.aim;
  const bound = row.kind === 'ratio' ? `≥ ${row.aim.toFixed(2)}` : `≤ ${row.aim} ms`;
  const other = row.other === undefined ? '' : `; ${shown(row.other)}`;
  console.log(`| ${row.name} | ${shown(row.product)} | ${shown(row.reference)}${other} | ${figure.toFixed(2)}${perCoreRatio} | ${bound} | ${met ? 'met' : 'missed'} |`);
}
