import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import type { Test } from 'tap';

/** A network that breaks: each connection to a loopback port is cut after so many bytes in either direction. */
export async function cuttingRelay(t: Pick<Test, 'teardown'>, port: number, bytesEach: number): Promise<{ url: string; connections: number }> {
  const open = new Set<Socket>();
  const relay = { url: '', connections: 0 };
  const server = createServer((near) => {
    relay.connections += 1;
    const far = connect(port, '127.0.0.1');
    let left = bytesEach;
    for (const [from, to] of [[near, far], [far, near]] as const) {
      open.add(from);
      from.on('error', () => undefined);
      from.once('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.on('data', (data: Buffer) => {
        left -= data.length;
        if (left < 0) return void to.end(data.subarray(0, data.length + left), () => to.destroy());
        if (!to.write(data)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  relay.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return relay;
}
