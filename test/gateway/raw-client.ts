import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A client that sends what it is told, byte by byte if need be. */
export interface RawClient {
  socket: Socket;
  /** All that came so far. */
  received(): string;
  /** Resolves when `received` holds the text; rejects when the connection ends before. */
  until(text: string): Promise<void>;
  /** Resolves when the server has closed the connection. */
  closed: Promise<void>;
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    socket.emit('grew');
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.once('end', () => (socket.destroy(), resolve()));
    socket.once('close', () => resolve());
  });
  await once(socket, 'connect');
  return {
    socket,
    received: () => text,
    async until(wanted) {
      while (!text.includes(wanted)) {
        if (socket.destroyed) throw new Error(`the connection ended after: ${text}`);
        await Promise.race([once(socket, 'grew'), closed]);
      }
    },
    closed,
  };
}
