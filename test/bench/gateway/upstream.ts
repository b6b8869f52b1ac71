import { createServer, type AddressInfo, type Socket } from 'node:net';
import { events, modelsAnswer, type Stream } from './payloads.ts';

export interface FakeUpstream {
  readonly url: string;
  readonly port: number;
  close(): void;
}

/**
 * A fast OpenAI-compatible server on bare sockets: it reads no more of a request than where it ends and which stream is
 * wanted (the user message is one of `stream-<events>-<pause>`), and writes answers made beforehand.
 * @param answer of a request that is not for a stream: a whole HTTP answer
 */
export async function startUpstream(answer: Buffer): Promise<FakeUpstream> {
  const server = createServer({ noDelay: true }, (socket) => {
    let rest: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (;;) {
        const head = rest.indexOf('\r\n\r\n');
        if (head < 0) return;
        const length = Number(/content-length: (\d+)/i.exec(rest.toString('latin1', 0, head))?.[1] ?? 0);
        if (rest.length < head + 4 + length) return;
        const list = rest.toString('latin1', 0, 4) === 'GET ';
        const wanted = /"stream-(\d+)-(\d+)-(\d+)"/.exec(rest.toString('latin1', head, head + 4 + length));
        rest = rest.subarray(head + 4 + length);
        if (wanted === null) socket.write(list ? modelsAnswer : answer);
        else writeEvents(socket, { events: Number(wanted[1]), pauseMs: Number(wanted[2]), batch: Number(wanted[3]) });
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, close: () => server.close() };
}

function writeEvents(socket: Socket, { events: count, pauseMs, batch }: Stream): void {
  const { head, event, end } = events;
  socket.write(head);
  const several = Buffer.concat(Array.from({ length: batch }, () => event));
  let left = count;
  const next = (): void => {
    if (socket.destroyed) return;
    if (left <= 0) return void socket.write(end);
    left -= batch;
    const free = socket.write(several);
    if (pauseMs > 0) setTimeout(next, pauseMs);
    else if (free) setImmediate(next);
    else socket.once('drain', next);
  };
  next();
}
