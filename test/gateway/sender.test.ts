import { EventEmitter, once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { mock } from 'node:test';
import t, { type Test } from 'tap';
import type { WebSocket } from 'ws';
import { Sender, TooSlow } from '../../gateway/websocket/sender.ts';

const graceMs = 1_000;
const mib = 1024 * 1024;
const pieceBytes = 64 * 1024;

t.beforeEach(() => mock.timers.enable({ apis: ['setInterval', 'setTimeout'] }));
t.afterEach(() => mock.timers.reset());

/** Both ends of a connection, since no made-up stream is written to as sockets are; and a sender of numbers of bytes. */
async function scene(t: Test) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.pause();
  const [raw] = (await once(server, 'connection')) as [Socket];
  server.close();
  t.teardown(() => {
    client.destroy();
    raw.destroy();
  });
  const socket = Object.assign(new EventEmitter(), { OPEN: 1, readyState: 1 });
  let byte = 0;
  const sender = new Sender(socket as unknown as WebSocket, raw, { graceMs }, (sizes: readonly number[]) => sizes.map((bytes) => Buffer.alloc(bytes, ++byte)));
  let received = 0;
  client.on('data', (chunk) => (received += chunk.length));
  client.pause();
  /** Reads so many bytes more, or a little over that. */
  const read = async (bytes: number): Promise<void> => {
    const enough = received + bytes;
    client.resume();
    while (received < enough) await once(client, 'data');
    client.pause();
    // What the kernel has room for now is written in the next rounds.
    for (let n = 0; n < 10; n++) await new Promise<void>((resolve) => setImmediate(resolve));
  };
  return { sender, socket, raw, client, read, received: () => received };
}

/** What became of a wait, once what follows from it has had its turn. */
async function outcome(waiting: Promise<void> | undefined): Promise<unknown> {
  if (waiting === undefined) return 'went on';
  let result: unknown = 'waits';
  waiting.then(() => (result = 'went on'), (error: unknown) => (result = error));
  await new Promise<void>((resolve) => setImmediate(resolve));
  return result;
}

t.test('what the kernel takes goes on at once, and all of it comes', async (t) => {
  const { sender, raw, read } = await scene(t);
  for (const sizes of [[30, 40], [100_000], [pieceBytes, pieceBytes]]) {
    const { length } = sizes;
    let writes = 0;
    const write = raw.write.bind(raw) as (frame: Buffer, ...more: unknown[]) => boolean;
    Object.assign(raw, {
      write(frame: Buffer, ...more: unknown[]) {
        writes++;
        t.strictSame(more, [], 'no callback');
        return write(frame);
      },
    });
    t.equal(sender.take(sizes), undefined);
    t.equal(writes, length);
    t.equal(raw.writableLength, 0);
    await read(sizes.reduce((sum, bytes) => sum + bytes));
  }
});

t.test('of more than the kernel takes little waits in the stream, and what comes is whole and in order', async (t) => {
  const { sender, raw, client } = await scene(t);
  const [sizes, last] = [Array.from({ length: 255 }, () => 5 * pieceBytes / 4), [7]];
  const bytes: Buffer[] = [];
  client.on('data', (chunk: Buffer) => bytes.push(chunk));
  client.pause();
  const waiting = sender.take(sizes);
  t.equal(await outcome(waiting), 'waits');
  let most = raw.writableLength;
  raw.prependListener('drain', () => setImmediate(() => (most = Math.max(most, raw.writableLength))));
  client.resume();
  await waiting;
  await sender.take(last);
  raw.end();
  await once(client, 'end');
  t.ok(most <= 3 * pieceBytes, `${most} bytes waited`);
  t.ok(Buffer.concat(bytes).equals(Buffer.concat([...sizes, ...last].map((size, n) => Buffer.alloc(size, n + 1)))));
});

t.test('small ones are gathered in the stream, up to a piece', async (t) => {
  const { sender, raw, read } = await scene(t);
  sender.take([20 * mib]);
  let most = 0;
  let waiting: Promise<void> | undefined;
  for (const before = raw.writableLength; waiting === undefined; most = raw.writableLength - before) waiting = sender.take([1_000]);
  t.ok(most <= 2 * pieceBytes, `${most} bytes are gathered`);
  await read(20 * mib);
  t.equal(await outcome(waiting), 'went on');
});

t.test('one that takes nothing in time is given up, and one that takes something is not', async (t) => {
  const { sender, read } = await scene(t);
  // One write: not before all of it is taken does the stream tell anything.
  sender.take([100 * mib]);
  const waiting = sender.take([10]);
  for (let n = 0; n < 4; n++) {
    await read(8 * mib);
    mock.timers.tick(graceMs);
    t.equal(await outcome(waiting), 'waits', 'it has read something');
  }
  // What the other end has room for comes by itself.
  mock.timers.tick(graceMs);
  await outcome(waiting);
  mock.timers.tick(graceMs);
  t.type(await outcome(waiting), TooSlow);
});

t.test('nothing is written after the socket has begun to close, and nothing waits for one that is closed', async (t) => {
  const { sender, socket, raw } = await scene(t);
  sender.take([20 * mib]);
  const waiting = sender.take([10, 10]);
  t.equal(await outcome(waiting), 'waits');
  const { writableLength } = raw;
  socket.readyState = 2;
  socket.emit('close');
  t.equal(await outcome(waiting), 'went on');
  t.equal(sender.take([10]), undefined);
  t.equal(raw.writableLength, writableLength);
});
