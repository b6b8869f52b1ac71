import { connect, type NatsConnection } from '@nats-io/transport-node';
import { ForgeError } from './errors.ts';
import { redialing } from './nats-reconnect.ts';

/**
 * A connection that never gives up: an outage of NATS ends no process.
 * @param inbox prefix of the subjects that answers come to; a worker's is `_INBOX.<worker id>`
 * @throws ForgeError unavailable when the server does not answer within `timeoutMs` at the start
 */
export async function connectNats(url: string, name: string, inbox = `_INBOX.${name}`, timeoutMs = 10_000): Promise<NatsConnection> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await connect({
        servers: url,
        name,
        inboxPrefix: inbox,
        maxReconnectAttempts: -1,
        ...redialing(100, 50),
        pingInterval: 5_000,
        maxPingOut: 2,
        timeout: 2_000,
        ignoreClusterUpdates: true,
      });
    } catch (error) {
      if (performance.now() > deadline) throw new ForgeError('unavailable', `NATS does not answer on ${redact(url)}: start nats-server or set FORGE_NATS_URL`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Credentials in a URL never reach a log. */
function redact(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//***@');
}
