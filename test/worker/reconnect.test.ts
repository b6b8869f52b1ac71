import t from 'tap';
import { connectNats } from '../../core/nats.ts';
import { redialing } from '../../core/nats-reconnect.ts';
import { startNats } from '../support/nats.ts';

t.test('a connection comes back although the wall clock was set back by an hour', { timeout: 60_000 }, async (t) => {
  const server = await startNats(t);
  const connection = await connectNats(server.url, 'test');
  t.teardown(() => connection.close());
  const real = Date.now;
  t.teardown(() => void (Date.now = real));
  Date.now = () => real() - 3_600_000;
  const back = (async () => {
    for await (const { type } of connection.status()) if (type === 'reconnect') return type;
    return 'closed';
  })();
  await server.restart();
  t.equal(await back, 'reconnect');
});

t.test('dials keep their distance, and the first one has none to keep', async (t) => {
  const { reconnectDelayHandler, reconnectToServer } = redialing(100, 50);
  const dial = () => reconnectToServer!(['a' as never], null) as unknown as { server: string; delay: number };
  t.equal(reconnectDelayHandler!(), -Infinity);
  t.strictSame(dial(), { server: 'a', delay: 0 });
  const [second, third] = [dial(), dial()];
  t.ok(second.delay > 50 && second.delay <= 150, `${second.delay}`);
  t.ok(third.delay > second.delay && third.delay <= 300, `each waits for the one before: ${third.delay}`);
});
