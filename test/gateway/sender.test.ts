import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import { mock } from 'node:test';
import t from 'tap';
import type { WebSocket } from 'ws';
import { Sender, TooSlow } from '../../gateway/websocket/sender.ts';

const graceMs = 1_000;

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
t.afterEach(() => mock.timers.reset());

/** A connection whose other end takes a write when the test says so, and a sender of numbers of bytes with room for 100. */
function scene() {
  const written: number[] = [];
  let taken: (() => void) | undefined;
  const raw = new Duplex({
    highWaterMark: 20,
    read: () => {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk.length);
      taken = done;
    },
  });
  const socket = Object.assign(new EventEmitter(), { OPEN: 1, readyState: 1 });
  const sender = new Sender(socket as unknown as WebSocket, raw, { bufferBytes: 100, graceMs }, (sizes: readonly number[]) => sizes.map((bytes) => Buffer.alloc(bytes)));
  const take = async (): Promise<void> => {
    taken?.();
    for (let ticks = 0; ticks < 10; ticks++) await Promise.resolve();
    await new Promise<void>((resolve) => process.nextTick(resolve));
  };
  return { sender, socket, written, take };
}

/** What became of a wait, once what follows from it has had its turn. */
async function outcome(waiting: Promise<void> | undefined): Promise<unknown> {
  if (waiting === undefined) return 'went on';
  let result: unknown = 'waits';
  waiting.then(() => (result = 'went on'), (error: unknown) => (result = error));
  await new Promise<void>((resolve) => setImmediate(resolve));
  return result;
}

t.test('what there is room for goes on at once; more waits until half of it is taken', async (t) => {
  const { sender, written, take } = scene();
  t.equal(sender.take([30, 30, 40]), undefined);
  const waiting = sender.take([10, 10]);
  t.equal(await outcome(waiting), 'waits');
  await take();
  t.equal(await outcome(waiting), 'waits', '70 of 100 are left');
  await take();
  t.equal(await outcome(waiting), 'went on');
  for (let n = 0; n < 3; n++) await take();
  t.strictSame(written, [30, 30, 40, 10, 10]);
});

t.test('what is larger than the room goes when nothing waits before it', async (t) => {
  const { sender, written, take } = scene();
  t.equal(sender.take([300]), undefined);
  const waiting = sender.take([400]);
  t.equal(await outcome(waiting), 'waits');
  await take();
  t.equal(await outcome(waiting), 'went on');
  t.strictSame(written, [300, 400]);
});

t.test('one that takes less than half in time is given up, and one that is slower than its feed is not', async (t) => {
  const { sender } = scene();
  sender.take([100]);
  const waiting = sender.take([10]);
  mock.timers.tick(graceMs);
  t.type(await outcome(waiting), TooSlow);
  const { sender: other, take } = scene();
  other.take([60, 40]);
  const slower = other.take([70]);
  // Nothing tells of the first write that it is done.
  await take();
  t.equal(await outcome(slower), 'waits');
  mock.timers.tick(graceMs);
  t.equal(await outcome(slower), 'went on');
});

t.test('nothing is written after the socket has begun to close, and nothing waits for one that is closed', async (t) => {
  const { sender, socket, written, take } = scene();
  sender.take([100]);
  const waiting = sender.take([10]);
  socket.readyState = 2;
  socket.emit('close');
  t.equal(await outcome(waiting), 'went on');
  await take();
  t.equal(sender.take([10]), undefined);
  t.strictSame(written, [100]);
});
