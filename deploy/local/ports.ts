import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/**
 * Whether a port can be listened on now. 0 always can.
 * @returns undefined, or why not, with the remedy
 */
export async function whyTaken(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE') return `Port ${port} on ${host} is taken. Stop what listens there, or choose another port: FORGE_PORT=${port === 65_535 ? 8000 : port + 1}`;
    if (code === 'EACCES') return `Port ${port} is for the administrator only. Choose one from 1024 up: FORGE_PORT=8000`;
    return `Cannot listen on ${host}, port ${port}: ${(error as Error).message}`;
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
}

/** A free loopback port. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
