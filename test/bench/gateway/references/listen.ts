import type { AddressInfo, Server } from 'node:net';

/** Listens on any free loopback port and says so in the way of the gateway. */
export function listenAsReference(server: Server): void {
  server.listen(0, '127.0.0.1', () => process.stdout.write(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}\n`));
}
