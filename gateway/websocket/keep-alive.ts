import type { WebSocket } from 'ws';

/** Pings all clients; one that has not answered by the next ping is terminated. */
export function keepAlive(clients: ReadonlySet<WebSocket>, pingMs: number): { watch(client: WebSocket): void; stop(): void } {
  const answered = new WeakSet<WebSocket>();
  const timer = setInterval(() => {
    for (const client of clients) {
      if (!answered.has(client)) {
        client.terminate();
        continue;
      }
      answered.delete(client);
      if (client.readyState === client.OPEN) client.ping();
    }
  }, pingMs);
  timer.unref();
  return {
    watch(client) {
      answered.add(client);
      client.on('pong', () => answered.add(client));
    },
    stop: () => clearInterval(timer),
  };
}
