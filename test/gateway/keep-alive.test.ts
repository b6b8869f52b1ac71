import { EventEmitter } from 'node:events';
import { mock } from 'node:test';
import t from 'tap';
import type { WebSocket } from 'ws';
import { keepAlive } from '../../gateway/websocket/keep-alive.ts';

const pingMs = 16_000;

class Client extends EventEmitter {
  readonly OPEN = 1;
  readonly readyState = 1;
  pings = 0;
  terminated = false;
  readonly answers: boolean;
  constructor(answers: boolean) {
    super();
    this.answers = answers;
  }
  ping(): void {
    this.pings++;
    if (this.answers) this.emit('pong');
  }
  terminate(): void {
    this.terminated = true;
    this.emit('close');
  }
}

t.beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }));
t.afterEach(() => mock.timers.reset());

function watched(t: { teardown(end: () => void): void }, count: number, answers: (n: number) => boolean): Client[] {
  const beat = keepAlive(pingMs);
  t.teardown(beat.stop);
  return Array.from({ length: count }, (_, n) => {
    const client = new Client(answers(n));
    beat.watch(client as unknown as WebSocket);
    return client;
  });
}

t.test('each is pinged once in an interval, and few at a time', async (t) => {
  const clients = watched(t, 160, () => true);
  const pings = (): number => clients.reduce((sum, { pings }) => sum + pings, 0);
  for (let ticks = 1; ticks <= 16; ticks++) {
    mock.timers.tick(pingMs / 16);
    t.equal(pings(), ticks * 10);
  }
  t.ok(clients.every(({ pings }) => pings === 1));
  mock.timers.tick(pingMs);
  t.ok(clients.every(({ pings, terminated }) => pings === 2 && !terminated));
});

t.test('one that does not answer is terminated at its next ping, and forgotten', async (t) => {
  const clients = watched(t, 3, (n) => n !== 1);
  mock.timers.tick(pingMs);
  t.strictSame(clients.map(({ terminated }) => terminated), [false, false, false]);
  mock.timers.tick(pingMs);
  t.strictSame(clients.map(({ terminated }) => terminated), [false, true, false]);
  clients[1]!.terminated = false;
  mock.timers.tick(2 * pingMs);
  t.strictSame(clients.map(({ pings, terminated }) => [pings, terminated]), [[4, false], [1, false], [4, false]]);
});
