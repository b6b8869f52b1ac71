import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { findReadyLine, readyLine, waitUntilHealthy } from '../../deploy/local/readiness.ts';

const never = new AbortController().signal;

t.test('ready is said only when nothing that is needed is away; the inference backend may come later', { timeout: 60_000 }, async (t) => {
  let degraded: string[] = ['agent', 'inference'];
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    if (asked > 4) degraded = ['inference'];
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ status: 'degraded', degraded }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.same(await waitUntilHealthy(url, 1, never), ['agent'], 'at the deadline it tells what is away');
  t.same(await waitUntilHealthy(url, 30_000, never), []);
});

t.test('the line names what is missing, and who reads it finds that', async (t) => {
  const url = 'http://127.0.0.1:8000';
  t.equal(readyLine(url, []), `AI Forge is ready on ${url}`);
  t.notMatch(readyLine(url, ['agent']), /is ready/);
  for (const away of [[], ['agent'], ['nats', 'guardian']]) t.same(findReadyLine(`one\n${readyLine(url, away)}\ntwo\n`), { url, away });
  t.equal(findReadyLine('AI Forge cannot start'), undefined);
});
