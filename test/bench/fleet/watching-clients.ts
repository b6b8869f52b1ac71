import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface WatchingClients {
  /** Calls back with the step of each message that any of them gets. */
  onStep: (step: number) => void;
  /** The last message's text. */
  readonly text: string;
  readonly closed: number;
  close(): void;
}

const stepKey = Buffer.from('"step":');

/** Opens WebSockets on bare sockets, which read no more of a message than its step: a client costs less than the server. */
export async function openWatchers(port: number, path: string, count: number): Promise<WatchingClients> {
  const sockets: Socket[] = [];
  const clients = { onStep: (_step: number): void => {}, text: '', closed: 0, close: () => sockets.forEach((socket) => socket.destroy()) };
  const open = async (): Promise<void> => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`);
    const upgraded = Promise.withResolvers<void>();
    let head: Buffer | undefined = Buffer.alloc(0);
    let rest: Buffer = Buffer.alloc(0);
    socket.on('error', upgraded.reject);
    socket.on('close', () => clients.closed++);
    socket.on('data', (chunk: Buffer) => {
      let bytes = chunk;
      if (head !== undefined) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        if (!head.toString('latin1', 0, end).startsWith('HTTP/1.1 101')) return upgraded.reject(new Error(`port ${port} answered:\n${head.toString().slice(0, 400)}`));
        bytes = head.subarray(end + 4);
        head = undefined;
        upgraded.resolve();
      }
      if (rest.length > 0) bytes = Buffer.concat([rest, bytes]);
      let at = 0;
      while (bytes.length - at >= 2) {
        const short = bytes[at + 1]! & 0x7f;
        const headBytes = short === 126 ? 4 : 2;
        if (bytes.length - at < headBytes) break;
        const end = at + headBytes + (short === 126 ? bytes.readUInt16BE(at + 2) : short);
        if (bytes.length < end) break;
        const key = (bytes[at]! & 0x0f) === 1 ? bytes.indexOf(stepKey, at) : -1;
        if (key >= 0 && key < end) {
          let step = 0;
          for (let digit = key + stepKey.length; bytes[digit]! >= 48 && bytes[digit]! <= 57; digit++) step = step * 10 + bytes[digit]! - 48;
          if (step === 1) clients.text = bytes.toString('utf8', at + headBytes, end);
          clients.onStep(step);
        }
        // Pings are not answered: a measurement is over before that matters.
        at = end;
      }
      rest = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
    });
    await upgraded.promise;
  };
  for (let opened = 0; opened < count; opened += 50) await Promise.all(Array.from({ length: Math.min(50, count - opened) }, open));
  return clients;
}
