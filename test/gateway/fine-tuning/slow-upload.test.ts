// An upload may take longer than the body of any other request; only falling silent ends it.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { startPort } from '../services.ts';

t.setTimeout(20_000);

const { port, server } = await startPort({
  limits: { bodyMs: 100, idleMs: 10_000, lingerMs: 50 },
  uploads: (path) => path === '/upload',
  raw: [(request, response, url) => {
    if (!['/upload', '/other'].includes(url.pathname)) return false;
    request.on('end', () => response.end('whole')).resume();
    return true;
  }],
});
t.teardown(() => server.stop());

/** Sends a body in pieces, for three times as long as others may take. @returns the status */
async function send(path: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const answered = once(socket, 'data');
  socket.on('error', () => undefined);
  socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 6\r\n\r\n`);
  for (let n = 0; n < 6 && !socket.destroyed; n++) {
    // What is tested is time that passes.
    await setTimeout(50);
    socket.write('x');
  }
  const [data] = await answered;
  socket.destroy();
  return String(data).split(' ')[1]!;
}

t.test('an upload takes its time, and nothing else does', async (t) => {
  t.equal(await send('/upload?a=b'), '200');
  t.equal(await send('/other'), '408');
});
