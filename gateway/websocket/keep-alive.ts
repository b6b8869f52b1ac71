import type { WebSocket } from 'ws';

/** So many times in each interval some clients are pinged: all at once, thousands would hold up what else there is to do. */
const shares = 16;

/** Pings each client once in each interval; one that has not answered by its next ping is terminated. */
export function keepAlive(pingMs: number): { watch(client: WebSocket): void; stop(): void } {
  const answered = new WeakSet<WebSocket>();
  const clients = Array.from({ length: shares }, () => new Set<WebSocket>());
  let watched = 0;
  let ticks = 0;
  const timer = setInterval(() => {
    for (const client of clients[ticks++ % shares]!) {
      if (!answered.has(client)) {
        client.terminate();
        continue;
      }
      answered.delete(client);
      if (client.readyState === client.OPEN) client.ping();
    }
  }, pingMs / shares);
  timer.unref();
  return {
    watch(client) {
      const share = clients[watched++ % shares]!;
      share.add(client);
      answered.add(client);
      client.on('pong', () => answered.add(client));
      client.once('close', () => share.delete(client));
    },
    stop: () => clearInterval(timer),
  };
}
