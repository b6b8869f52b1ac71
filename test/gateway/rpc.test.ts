import { toJson } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { createConnectTransport as createWebConnect, createGrpcWebTransport as createWebGrpcWeb } from '@connectrpc/connect-web';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import t from 'tap';
import { JobService, JobStatus } from '../../core/gen/aiforge/v1/job_pb.ts';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../core/gen/health/v1/health_pb.ts';
import { jobId, startPort } from './services.ts';

t.setTimeout(30_000);

const { url, server, probe } = await startPort({ limits: { lingerMs: 100 } });
t.teardown(() => server.stop());

const transports: Record<string, (baseUrl: string) => Transport> = {
  'Connect, HTTP/1.1, JSON': (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
  'Connect, HTTP/1.1, binary': (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: true }),
  'Connect, HTTP/2': (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' }),
  'gRPC, HTTP/2': (baseUrl) => createGrpcTransport({ baseUrl }),
  'gRPC-Web, HTTP/1.1': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
  'gRPC-Web, HTTP/2': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '2' }),
  'Connect, as browsers do': (baseUrl) => createWebConnect({ baseUrl }),
  'gRPC-Web, as browsers do': (baseUrl) => createWebGrpcWeb({ baseUrl }),
};

for (const [name, transportTo] of Object.entries(transports)) {
  t.test(name, async (t) => {
    const jobs = createClient(JobService, transportTo(url));
    let requestId: string | null = null;
    const job = await jobs.getJob({ jobId }, { onHeader: (headers) => (requestId = headers.get('x-request-id')), headers: { 'idempotency-key': 'k' }, timeoutMs: 5000 });
    t.match(job, { jobId, status: JobStatus.TRAINING, progress: 45.5, currentStep: 150n, loss: 1.234 });
    t.match(requestId, /^[0-9a-f-]{36}$/);
    t.match(probe.contexts.at(-1), { idempotencyKey: 'k', requestId: requestId! });

    const cursors: string[] = [];
    for await (const update of jobs.watchJob({ jobId, after: '1' })) cursors.push(`${update.cursor} ${update.type} ${update.status}`);
    t.same(cursors, [`2 metrics ${JobStatus.TRAINING}`, `3 state ${JobStatus.COMPLETED}`]);

    const failures: [() => Promise<unknown>, Code, RegExp, object][] = [
      [() => jobs.getJob({ jobId: 'nobody' }), Code.NotFound, /^job_id: no such job: nobody$/, { code: 'not_found', field: 'job_id' }],
      [() => jobs.createFineTune({ projectName: 'a', epochs: 0 }), Code.InvalidArgument, /^epochs: must be at least 1$/, { code: 'invalid_argument', field: 'epochs' }],
      [() => jobs.validate({ jobId }), Code.FailedPrecondition, /not completed yet/, { code: 'wrong_state' }],
      [() => jobs.deploy({ jobId }), Code.DeadlineExceeded, /goes on/, { code: 'still_running', retry_after_seconds: 5 }],
      [() => jobs.createFineTune({ projectName: 'broken' }), Code.Internal, /^Internal error; the log has more under request [0-9a-f-]{36}$/, { code: 'internal' }],
      [() => jobs.watchJob({ jobId: 'nobody' })[Symbol.asyncIterator]().next(), Code.NotFound, /no such job/, { code: 'not_found', field: 'job_id' }],
      [() => jobs.createFineTune({ projectName: 'x'.repeat(2 ** 20) }), Code.ResourceExhausted, /larger than/, {}],
    ];
    for (const [call, code, message, detail] of failures) {
      const error = ConnectError.from(await call().then(() => new Error('no error'), (e: unknown) => e));
      t.equal(error.code, code, error.message);
      t.match(error.rawMessage, message);
      if ('code' in detail) t.same(error.findDetails(StructSchema).map((each) => toJson(StructSchema, each)), [detail]);
    }
  });

  t.test(`${name}: a watcher that goes away ends its feed`, async (t) => {
    const { url: ownUrl, server: ownServer, probe: own } = await startPort();
    t.teardown(() => ownServer.stop());
    own.watch = async function* (_after, context) {
      yield { cursor: '1', type: 'state', status: JobStatus.TRAINING, attempt: 1 };
      await new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error)));
    };
    const jobs = createClient(JobService, transportTo(ownUrl));
    const controller = new AbortController();
    const feed = jobs.watchJob({ jobId }, { signal: controller.signal })[Symbol.asyncIterator]();
    t.equal((await feed.next()).value?.cursor, '1');
    controller.abort();
    await t.rejects(feed.next(), { code: Code.Canceled });
    await own.watchEnded;
  });
}

t.test('a deadline of the client ends the call at the server', async (t) => {
  const ended = Promise.withResolvers<void>();
  probe.validate = (context) => new Promise((_, reject) => context.signal.addEventListener('abort', () => (ended.resolve(), reject(context.signal.reason as Error))));
  const jobs = createClient(JobService, createGrpcTransport({ baseUrl: url }));
  await t.rejects(jobs.validate({ jobId }, { timeoutMs: 50 }), { code: Code.DeadlineExceeded });
  await ended.promise;
});

t.test('a server that goes down ends feeds at once', async (t) => {
  const { url: ownUrl, server: ownServer, probe: own } = await startPort({ limits: { drainMs: 20_000 } });
  own.watch = async function* (_after, context) {
    yield { cursor: '1', type: 'state', status: JobStatus.TRAINING, attempt: 1 };
    // Ends quietly, as a feed may that looks at its signal.
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
  };
  const feed = createClient(JobService, createGrpcTransport({ baseUrl: ownUrl })).watchJob({ jobId })[Symbol.asyncIterator]();
  await feed.next();
  const before = performance.now();
  const stopped = ownServer.stop();
  await t.rejects(feed.next(), { code: Code.Unavailable });
  await stopped;
  t.ok(performance.now() - before < 10_000);
});

t.test('a server that goes down ends calls that take too long', async (t) => {
  const { url: ownUrl, server: ownServer, probe: own } = await startPort({ limits: { drainMs: 50 } });
  const entered = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let calls = 0;
  own.validate = (context) =>
    new Promise((_, reject) => {
      context.signal.addEventListener('abort', () => reject(context.signal.reason as Error));
      entered[calls++]!.resolve();
    });
  const rpc = createClient(JobService, createGrpcTransport({ baseUrl: ownUrl })).validate({ jobId });
  const rest = fetch(`${ownUrl}/validate/${jobId}`, { method: 'POST' });
  await Promise.all(entered.map((each) => each.promise));
  const stopped = ownServer.stop();
  await t.rejects(rpc, { code: Code.Unavailable });
  const answer = await rest;
  t.equal(answer.status, 503);
  t.same(await answer.json(), { detail: 'The service is going down' });
  await stopped;
});

t.test('health: Check, List, Watch', async (t) => {
  let status: 'SERVING' | 'NOT_SERVING' = 'NOT_SERVING';
  const { url: ownUrl, server: ownServer } = await startPort({ health: () => (status === 'NOT_SERVING' ? Promise.reject(new Error('away')) : Promise.resolve(status)) });
  t.teardown(() => ownServer.stop());
  const health = createClient(Health, createGrpcTransport({ baseUrl: ownUrl }));
  t.equal((await health.check({})).status, ServingStatus.NOT_SERVING, 'a probe that fails');
  const watch = health.watch({ service: JobService.typeName })[Symbol.asyncIterator]();
  t.equal((await watch.next()).value?.status, ServingStatus.NOT_SERVING);
  status = 'SERVING';
  t.equal((await watch.next()).value?.status, ServingStatus.SERVING);
  t.equal((await health.check({ service: JobService.typeName })).status, ServingStatus.SERVING);
  await t.rejects(health.check({ service: 'nothing' }), { code: Code.NotFound });
  const unknown = health.watch({ service: 'nothing' })[Symbol.asyncIterator]();
  t.equal((await unknown.next()).value?.status, ServingStatus.SERVICE_UNKNOWN);
  await unknown.return?.();
  t.equal((await health.list({})).statuses[JobService.typeName]?.status, ServingStatus.SERVING);
  const stopped = ownServer.stop();
  t.equal((await watch.next()).value?.status, ServingStatus.NOT_SERVING, 'a server that goes down says so');
  await stopped;
});
