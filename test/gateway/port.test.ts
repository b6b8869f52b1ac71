import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import t, { type Test } from 'tap';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { RawHandler } from '../../gateway/port.ts';
import { connectRaw } from './raw-client.ts';
import { jobId, startPort } from './services.ts';

t.setTimeout(30_000);

/** Deadlines that a test can wait for. */
const short = { headerMs: 150, bodyMs: 150, idleMs: 300, stallMs: 200, lingerMs: 100, drainMs: 300 };
const get = 'GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n';

async function start(t: Test, options: Parameters<typeof startPort>[0] = { limits: short }) {
  const started = await startPort(options);
  t.teardown(() => started.server.stop());
  return started;
}

t.test('the first bytes decide, in whatever pieces they come', async (t) => {
  const { port, url } = await start(t, {});
  const one = await connectRaw(port);
  for (const byte of get) one.socket.write(byte);
  await one.until('"status":"healthy"');
  // "P" could be PRI or POST.
  const post = await connectRaw(port);
  post.socket.write('P');
  post.socket.write(`OST /v1/fine-tune/${jobId}/pause HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`);
  await post.until('"Pause requested"');
  // Two requests at once, and a client that has closed its half.
  const two = await connectRaw(port);
  two.socket.end(get + get.replace('/health', '/nothing'));
  await two.closed;
  t.match(two.received(), /200 OK[\s\S]*404 Not Found/);

  const session = connectHttp2(url);
  t.teardown(() => session.close());
  const stream = session.request({ ':path': `/status/${jobId}` });
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  t.equal(headers[':status'], 200);
  t.match(headers['x-request-id'], /./);
  let body = '';
  for await (const chunk of stream) body += String(chunk);
  t.match(JSON.parse(body), { job_id: jobId, status: 'training' });
});

t.test('late headers are cut off', async (t) => {
  const { port } = await start(t);
  const silent = await connectRaw(port);
  const half = await connectRaw(port);
  half.socket.write('GET /health HTTP/1.1\r\nhost: localhost\r\n');
  const dripping = await connectRaw(port);
  dripping.socket.write('GET /health HTTP/1.1\r\n');
  const drip = setInterval(() => dripping.socket.write('x-a: b\r\n'), 20);
  t.teardown(() => clearInterval(drip));
  const second = await connectRaw(port);
  second.socket.write(get);
  await second.until('"status":"healthy"');
  second.socket.write('GET /health HT');
  await Promise.all([silent, half, dripping, second].map((client) => client.closed));
  for (const client of [silent, half, dripping, second]) t.match(client.received(), /HTTP\/1\.1 408 [\s\S]*x-request-id: [\s\S]*\{"detail":"The request did not arrive in time"\}$/);
});

t.test('a late body is cut off', async (t) => {
  const { port, probe } = await start(t);
  const client = await connectRaw(port);
  client.socket.write('POST /v1/fine-tune HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{');
  const drip = setInterval(() => client.socket.write(' '), 30);
  t.teardown(() => clearInterval(drip));
  await client.closed;
  t.match(client.received(), /HTTP\/1\.1 408 /);
  t.equal(probe.created.length, 0);
});

t.test('a late body over HTTP/2 ends its stream and no other', async (t) => {
  const { url } = await start(t);
  const session = connectHttp2(url);
  t.teardown(() => session.close());
  const late = session.request({ ':path': '/v1/fine-tune', ':method': 'POST' });
  late.on('error', () => undefined);
  late.write('{');
  await once(late, 'close');
  t.equal(late.rstCode, 8 /* CANCEL */);
  const other = session.request({ ':path': '/health' });
  const [headers] = (await once(other, 'response')) as [Record<string, unknown>];
  t.equal(headers[':status'], 200);
});

t.test('idle connections are closed', async (t) => {
  const { port, url } = await start(t);
  const client = await connectRaw(port);
  client.socket.write(get);
  await client.closed;
  t.match(client.received(), /^HTTP\/1\.1 200 OK/);
  t.notMatch(client.received(), /^HTTP\/1\.1 408/m);
  const session = connectHttp2(url);
  session.on('error', () => undefined);
  await once(session, 'close');
});

/** A raw handler that writes without end at /pour, as fast as the client takes it. */
function pouring(): { raw: RawHandler[]; closed: Promise<void> } {
  const closed = Promise.withResolvers<void>();
  const pour = (response: ServerResponse): void => {
    response.once('close', () => closed.resolve());
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', more);
    more();
  };
  return { raw: [(_request, response, url) => url.pathname === '/pour' && (pour(response), true)], closed: closed.promise };
}

t.test('a client that takes nothing of its answer is cut off, and the writer learns of it', async (t) => {
  const { raw, closed } = pouring();
  const { port } = await start(t, { limits: short, raw });
  const client = await connectRaw(port);
  client.socket.pause();
  client.socket.write('GET /pour HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await closed;
  client.socket.destroy();
});

t.test('over HTTP/2 only the stream that is not read is cut off', async (t) => {
  const { raw, closed } = pouring();
  const { url } = await start(t, { limits: short, raw });
  const session = connectHttp2(url);
  t.teardown(() => session.close());
  const unread = session.request({ ':path': '/pour' });
  unread.on('error', () => undefined);
  await closed;
  const other = session.request({ ':path': '/health' });
  const [headers] = (await once(other, 'response')) as [Record<string, unknown>];
  t.equal(headers[':status'], 200);
  unread.close();
});

t.test('a client that keeps reading is left alone, though there is always more', async (t) => {
  const { raw } = pouring();
  const { port } = await start(t, { limits: short, raw });
  const client = await connectRaw(port);
  client.socket.write('GET /pour HTTP/1.1\r\nhost: localhost\r\n\r\n');
  client.socket.removeAllListeners('data');
  const end = performance.now() + 5 * short.stallMs;
  for await (const _chunk of client.socket.iterator({ destroyOnReturn: false })) {
    if (performance.now() > end) break;
    // Slower than the writer; faster than what the kernel holds back before it tells of room.
    await delay(1);
  }
  t.notOk(client.socket.destroyed);
  client.socket.destroy();
});

t.test('a refused upload gets to see its answer, and is not read for ever', async (t) => {
  const { port } = await start(t);
  const client = await connectRaw(port);
  client.socket.write('POST /v1/fine-tune HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n');
  const chunk = `4000\r\n${' '.repeat(0x4000)}\r\n`;
  const upload = setInterval(() => client.socket.write(chunk.repeat(64)), 1);
  t.teardown(() => clearInterval(upload));
  await client.closed;
  t.match(client.received(), /^HTTP\/1\.1 413 [\s\S]*"body: must be at most 1048576 bytes"/);
});

t.test('what is no HTTP is a 400, and a huge header a 431', async (t) => {
  const { port } = await start(t);
  const cases = [
    ['hello\r\n\r\n', /^HTTP\/1\.1 400 [\s\S]*x-request-id[\s\S]*\{"detail":"The request is not valid HTTP"\}$/],
    ['PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', /^HTTP\/1\.1 400 /],
    [`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['GET /health HTTP/1.1\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 400 [\s\S]*x-request-id[\s\S]*Host: is missing/],
    // Without a Host; the RPC lane must not fall over it.
    ['POST /aiforge.v1.JobService/GetJob HTTP/1.0\r\ncontent-length: 0\r\n\r\n', /^HTTP\/1\.1 400 [\s\S]*Host: is missing/],
    ['GET http:// HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['GET /health HTTP/1.1\r\nhost: localhost\r\nexpect: tea\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 200 /],
    ['OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 404 /],
    ['GET /health HTTP/1.1\r\nhost: localhost\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n', /^HTTP\/1\.1 200 /],
  ] as const;
  for (const [sent, answer] of cases) {
    const client = await connectRaw(port);
    client.socket.write(sent);
    await client.closed;
    t.match(client.received(), answer, sent.slice(0, 40));
  }
  const rubbish = await connectRaw(port);
  rubbish.socket.write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\xff'.repeat(100)}`);
  await rubbish.closed;
  t.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 200, 'the port still serves');
});

t.test('connections are bounded', async (t) => {
  const { port } = await start(t, { limits: { connections: 2 } });
  const kept = [await connectRaw(port), await connectRaw(port)];
  const third = await connectRaw(port);
  await third.closed;
  kept[0]!.socket.destroy();
  kept[1]!.socket.write(get);
  await kept[1]!.until('200 OK');
});

t.test('stop refuses, lets requests finish, ends idle connections, and is one promise', async (t) => {
  const half = Promise.withResolvers<ServerResponse>();
  const raw: RawHandler[] = [(_request, response, url) => url.pathname === '/half' && (response.write('half'), half.resolve(response), true)];
  const { port, server, probe } = await start(t, { limits: { drainMs: 20_000 }, raw });
  const entered = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<never>();
  probe.validate = () => (entered.resolve(), finish.promise);
  const busy = await connectRaw(port);
  busy.socket.write(`POST /validate/${jobId} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`);
  const idle = await connectRaw(port);
  idle.socket.write(get);
  await idle.until('healthy');
  await entered.promise;
  const answering = await connectRaw(port);
  answering.socket.write(get.replace('/health', '/half'));
  await answering.until('half');
  const before = performance.now();
  const stopped = server.stop();
  t.equal(server.stop(), stopped);
  await idle.closed;
  await t.rejects(connectRaw(port), { code: 'ECONNREFUSED' });
  finish.resolve({ jobId, passed: true, reportPath: 'report.md' } as never);
  await busy.closed;
  t.match(busy.received(), /200 OK[\s\S]*connection: close[\s\S]*"passed":true/i);
  // Its header has promised to keep the connection.
  (await half.promise).end(' and half');
  await answering.closed;
  t.match(answering.received(), /and half/);
  await stopped;
  t.ok(performance.now() - before < 10_000, 'nothing is waited for');
});

t.test('stop has a deadline', async (t) => {
  const { port, server, probe } = await start(t, { limits: short });
  const entered = Promise.withResolvers<void>();
  probe.validate = () => (entered.resolve(), new Promise(() => undefined));
  const stuck = await connectRaw(port);
  stuck.socket.write(`POST /validate/${jobId} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`);
  await entered.promise;
  const before = performance.now();
  await server.stop();
  t.ok(performance.now() - before < 3_000);
  await stuck.closed;
});
