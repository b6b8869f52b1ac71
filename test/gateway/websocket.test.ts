import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { EnvelopeSchema, type Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { JobStatus, WatchJobRequestSchema, WatchJobResponseSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { TelemetrySchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { event } from '../../core/task/events.ts';
import { parseCursor, startCursor } from '../../gateway/feed/cursor.ts';
import { JobFeed } from '../../gateway/feed/job-feed.ts';
import { createPort } from '../../gateway/port.ts';
import { createTrainingSocket, type TrainingSocketDeps } from '../../gateway/websocket/training.ts';
import type { SocketLimits } from '../../gateway/websocket/limits.ts';
import { createServices, jobId } from './services.ts';

t.setTimeout(30_000);

/** These feeds are of jobs. */
const noRetrain = async function* (): AsyncGenerator<never> {
  throw new Error('no pipeline is watched here');
};

type FollowJob = TrainingSocketDeps['followJob'];

/** @param follow the feed of any job, instead of the small services' own */
async function start(t: Test, limits: Partial<SocketLimits> = {}, follow?: FollowJob) {
  const { routes, jobs, probe } = createServices();
  const followJob: FollowJob = follow ?? (async (jobId, after, signal, sink) => {
    const context = { signal, requestId: '', idempotencyKey: undefined, caller: 'anonymous' };
    for await (const update of jobs.watchJob(create(WatchJobRequestSchema, { jobId, after }), context)) await sink.take([create(WatchJobResponseSchema, update)]);
  });
  const training = createTrainingSocket({ followJob, watchJobLogs: jobs.watchJobLogs, watchRetrain: noRetrain, logger: silentLogger, limits });
  const server = createPort({ routes, raw: [], websocket: training.handle, logger: silentLogger, limits: { idleMs: 200, headerMs: 200 } });
  const { port } = await server.listen('127.0.0.1', 0);
  t.teardown(async () => {
    await training.stop();
    await server.stop();
  });
  return { url: `ws://127.0.0.1:${port}/ws/training/`, port, probe, training };
}

/** All messages until the socket closed, and how it closed. */
async function readAll(socket: WebSocket): Promise<{ messages: string[]; code: number; reason: string }> {
  const messages: string[] = [];
  socket.on('message', (data) => messages.push(String(data)));
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return { messages, code, reason: reason.toString() };
}

t.test('the feed from the start, in the shape of the contract, then 1000', async (t) => {
  const { url } = await start(t);
  const socket = new WebSocket(url + jobId);
  socket.once('upgrade', (response) => t.match(response.headers['x-request-id'], /^[0-9a-f-]{36}$/));
  const { messages, code } = await readAll(socket);
  t.equal(code, 1000);
  t.same(messages, [
    '{"cursor":"1","type":"state","time":"2024-01-17T12:00:00Z","status":"preparing","attempt":1}',
    '{"cursor":"2","type":"metrics","time":"2024-01-17T12:00:00Z","status":"training","attempt":1,"step":150,"loss":1.234,"learning_rate":0.0002,"eta_seconds":10}',
    '{"cursor":"3","type":"state","time":"2024-01-17T12:15:00Z","status":"completed","attempt":1,"message":"done"}',
  ]);
});

t.test('the feed after a cursor', async (t) => {
  const { url } = await start(t);
  const { messages, code } = await readAll(new WebSocket(`${url}${jobId}?after=2`));
  t.equal(code, 1000);
  t.same(messages.map((text) => (JSON.parse(text) as { cursor: string }).cursor), ['3']);
});

t.test('an unknown job, a bad cursor, a fault and a wrong path', async (t) => {
  const { url, port, probe } = await start(t);
  t.match(await readAll(new WebSocket(`${url}nobody`)), { code: 4404, reason: /no such job: nobody/, messages: [] });
  t.match(await readAll(new WebSocket(`${url}${'%C3%A9'.repeat(200)}`)), { code: 4404 }, 'the reason is cut at 123 bytes');
  t.match(await readAll(new WebSocket(`${url}${jobId}?after=x`)), { code: 4400, reason: /^after: / });
  t.match(await readAll(new WebSocket(`${url}${jobId}?after=1&after=2`)), { code: 4400, reason: /^after: stands twice/ });
  t.match(await readAll(new WebSocket(`${url}${jobId}?from=1`)), { code: 4400, reason: /^from: no such parameter/ });
  t.match(await readAll(new WebSocket(`${url}%ff`)), { code: 4400, reason: /^job_id: / });
  probe.watch = async function* () {
    throw new TypeError('secret of the inside');
  };
  t.match(await readAll(new WebSocket(url + jobId)), { code: 1011, reason: /^Internal error; the log has more/ });
  const wrong = new WebSocket(`ws://127.0.0.1:${port}/ws/other`);
  const [, response] = (await once(wrong, 'unexpected-response')) as [unknown, { statusCode: number }];
  t.equal(response.statusCode, 404);
  wrong.on('error', () => undefined).terminate();
});

t.test('pages of other hosts are refused', async (t) => {
  const { url } = await start(t);
  const foreign = new WebSocket(url + jobId, { origin: 'https://evil.example' });
  const [, response] = (await once(foreign, 'unexpected-response')) as [unknown, { statusCode: number }];
  t.equal(response.statusCode, 403);
  foreign.on('error', () => undefined).terminate();
  t.equal((await readAll(new WebSocket(url + jobId, { origin: 'http://localhost:5173' }))).code, 1000);
});

t.test('a quiet feed stays open past the deadlines of HTTP, and ends when its client goes away', async (t) => {
  const { url, probe } = await start(t, { pingMs: 250 });
  const more = Promise.withResolvers<void>();
  probe.watch = async function* (_after, context) {
    yield { cursor: '1', type: 'state', status: JobStatus.TRAINING, attempt: 1 };
    await more.promise;
    yield { cursor: '2', type: 'state', status: JobStatus.TRAINING, attempt: 1 };
    await new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error)));
  };
  const socket = new WebSocket(url + jobId);
  await once(socket, 'message');
  // Three pings are longer than the idle deadline.
  for (let pings = 0; pings < 3; pings++) await once(socket, 'ping');
  socket.send('what a client says is ignored');
  more.resolve();
  t.match(String((await once(socket, 'message'))[0]), /"cursor":"2"/);
  socket.close();
  await probe.watchEnded;
});

t.test('a client that says too much is closed', async (t) => {
  const { url, probe } = await start(t, { payloadBytes: 100 });
  probe.watch = waitForAbort;
  const socket = new WebSocket(url + jobId);
  await once(socket, 'open');
  socket.send('x'.repeat(101));
  t.equal((await readAll(socket)).code, 1009);
  await probe.watchEnded;
});

t.test('a dead peer is terminated', async (t) => {
  const { url, probe } = await start(t, { pingMs: 30 });
  probe.watch = waitForAbort;
  const socket = new WebSocket(url + jobId, { autoPong: false });
  t.equal((await readAll(socket)).code, 1006);
  await probe.watchEnded;
});

const metrics = 3_000;

/** A job's feed of 30 MB, which is more than the kernel holds for both ends, and what each who follows it has been told. */
function longFeed() {
  const feed = new JobFeed();
  const stored = (sequence: number, ...events: Event[]) => ({ sequence, aggregate: 'task', id: jobId, bytes: new Uint8Array(), envelope: create(EnvelopeSchema, { time: timestampFromMs(sequence), events }) });
  feed.addEvent(stored(1, event('taskQueued', { kind: TaskKind.TRAIN, project: 'p', spec: create(TaskSpecSchema, { kind: { case: 'export', value: { jobId: 'x' } } }), maxAttempts: 3 })));
  feed.addEvent(stored(2, event('attemptStarted', { attempt: 1, workerId: 'w' }), event('reportAccepted', { attempt: 1, number: 1n })));
  const message = 'x'.repeat(10_000);
  for (let number = 1; number <= metrics; number++) {
    feed.addTelemetry({ sequence: number, workerId: 'w', telemetry: create(TelemetrySchema, { taskId: jobId, attempt: 1, number: BigInt(number), timeMs: 1n, metrics: [{ step: BigInt(number), message }] }) });
  }
  const told: { messages: number; ended: Promise<void> }[] = [];
  const followed = Promise.withResolvers<void>();
  const follow: FollowJob = (_jobId, after, signal, sink) => {
    const one = { messages: 0, ended: Promise.resolve() };
    told.push(one);
    one.ended = feed.follow(after === '' ? startCursor : parseCursor(after), signal, { take: (run) => (one.messages += run.length, sink.take(run)) });
    followed.resolve();
    return one.ended;
  };
  return { feed, follow, told, followed: followed.promise };
}

/** A client that reads nothing before it is told to. */
async function connectPaused(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(`GET /ws/training/${jobId} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`);
  return socket.pause();
}

t.test('a client that does not read is cut off, has little kept for it, and slows nobody', async (t) => {
  const { feed, follow, told, followed } = longFeed();
  const { url, port } = await start(t, { graceMs: 1000, closeMs: 50 }, follow);
  const client = await connectPaused(port);
  await followed;
  const reading = readAll(new WebSocket(url + jobId));
  while (told[1]?.messages !== metrics + 2) await setImmediate();
  // What the kernel holds for both ends, and the rest of a run.
  t.ok(told[0]!.messages < metrics / 2, `${told[0]!.messages} messages were taken for the one that does not read`);
  await t.rejects(told[0]!.ended, { message: 'there was no room to send anything for 1000 ms' });
  feed.close();
  const other = await reading;
  t.equal(other.code, 1000);
  t.equal(other.messages.length, metrics + 2, 'all of it goes to one that reads');
  const ended = once(client, 'close');
  client.on('error', () => undefined).once('end', () => client.end()).resume();
  await ended;
});

t.test('a client that is slow for longer than the grace, but reads, is told all', async (t) => {
  const { feed, follow } = longFeed();
  const graceMs = 1000;
  const { port } = await start(t, { graceMs, closeMs: 50 }, follow);
  const socket = await connectPaused(port);
  feed.close();
  const began = performance.now();
  const chunks: Buffer[] = [];
  // A megabyte, then nothing for a while.
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (chunk.subarray(-50).includes('the job has ended')) socket.end();
    bytes += chunk.length;
    if (bytes < 1_000_000) return;
    bytes = 0;
    socket.pause();
    setTimeout(() => socket.resume(), 100);
  });
  socket.resume();
  await once(socket, 'close');
  t.ok(performance.now() - began > 2 * graceMs);
  const text = Buffer.concat(chunks).toString('latin1');
  t.match(text.slice(-50), /the job has ended$/);
  const steps = [...text.matchAll(/"step":(\d+)/g)].map(([, step]) => Number(step));
  t.strictSame(steps, Array.from({ length: metrics }, (_, n) => n + 1));
});

t.test('a server that goes down says so', async (t) => {
  const { url, probe, training } = await start(t);
  probe.watch = waitForAbort;
  const socket = new WebSocket(url + jobId);
  const end = readAll(socket);
  await once(socket, 'open');
  await training.stop();
  t.equal((await end).code, 1001);
  const late = new WebSocket(url + jobId);
  const [, response] = (await once(late, 'unexpected-response')) as [unknown, { statusCode: number }];
  t.equal(response.statusCode, 503);
  late.on('error', () => undefined).terminate();
});

async function* waitForAbort(_after: string, context: { signal: AbortSignal }): AsyncGenerator<never> {
  await new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error)));
}
