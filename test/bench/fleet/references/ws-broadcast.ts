/**
 * A bare `ws` server: `ws-broadcast.ts <NATS URL> shared|each`. Each text that comes on `bench.broadcast` goes to all
 * clients: `shared` as one frame that is made once and written to every socket, `each` by `ws.send`.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as ws from 'ws';
import { connectNats } from '../../../../core/nats.ts';

const [url, mode] = process.argv.slice(2) as [string, 'shared' | 'each'];
const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } };
const connection = await connectNats(url, `reference-${mode}`);
const http = createServer();
const server = new ws.WebSocketServer({ server: http, perMessageDeflate: false });
const sockets = new Set<NodeJS.WritableStream>();
server.on('connection', (client, request) => {
  sockets.add(request.socket);
  client.on('close', () => sockets.delete(request.socket));
  client.on('error', () => undefined);
});
connection.subscribe('bench.broadcast', {
  callback(_error, message) {
    if (mode === 'each') {
      const text = message.string();
      for (const client of server.clients) client.send(text);
    } else {
      const frame = Buffer.concat(Sender.frame(Buffer.from(message.data), { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false }));
      for (const socket of sockets) socket.write(frame);
    }
  },
});
http.listen(0, '127.0.0.1', 8_192, () => process.stdout.write(`ready http://127.0.0.1:${(http.address() as AddressInfo).port}\n`));
process.on('SIGTERM', () => process.exit(0));
