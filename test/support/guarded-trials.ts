import { setTimeout } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import type { Test } from 'tap';
import { createTickets } from '../../gateway/access/tickets.ts';
import { createTelemetryStream } from '../../gateway/feed/telemetry-stream.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { startGuardedNats } from './guarded-nats.ts';

/** The server with all roles, a gateway's streams, and a look at everything that is stored or delivered. */
export async function guardedScene(t: Test) {
  const server = await startGuardedNats(t, [['gateway', 'g1'], ['gateway', 'g2'], ['guardian'], ['agent', 'a1'], ['agent', 'a2'], ['operator']]);
  const gateway = await server.connect('gateway', 'g1');
  const store = await createJetStreamStore(gateway);
  await createTelemetryStream(gateway);
  await createTickets(gateway);
  const manager = await jetstreamManager(gateway, { checkAPI: false });
  const sequences = async (): Promise<Record<string, number>> => Object.fromEntries(await Promise.all(['FORGE', 'TELEMETRY', 'TICKETS'].map(async (name) => [name, (await manager.streams.info(name)).state.last_seq] as const)));
  return { server, gateway, store, sequences };
}

/** Publishes and waits until the server has dealt with it. @returns what it forbade, or 'done' */
export async function publish(connection: NatsConnection, subject: string, data: string, options: { reply?: string; headers?: MsgHdrs } = {}): Promise<string> {
  const refused = firstError(connection);
  connection.publish(subject, data, options);
  await connection.flush();
  return Promise.race([refused, setTimeout(0, 'done')]);
}

export async function subscribe(connection: NatsConnection, subject: string): Promise<string> {
  const refused = Promise.withResolvers<string>();
  const subscription = connection.subscribe(subject, { callback: (error) => { if (error !== null) refused.resolve('forbidden'); } });
  await connection.flush();
  const answer = await Promise.race([refused.promise, setTimeout(0, 'done')]);
  subscription.unsubscribe();
  return answer;
}

async function firstError(connection: NatsConnection): Promise<string> {
  for await (const status of connection.status()) if (status.type === 'error') return /permissions violation/i.test(status.error.message) ? 'forbidden' : status.error.message;
  return 'closed';
}

export async function allForbidden(t: Test, connection: NatsConnection, subjects: readonly string[], who: string): Promise<void> {
  for (const subject of subjects) t.equal(await publish(connection, subject, 'a trial'), 'forbidden', `${who} may not publish to ${subject}`);
}

/** Calls of JetStream's API that remove, replace or move what is stored. */
export const destructive = ['UPDATE.FORGE', 'DELETE.FORGE', 'PURGE.FORGE', 'MSG.DELETE.FORGE', 'SNAPSHOT.FORGE', 'RESTORE.FORGE', 'DELETE.TELEMETRY', 'PURGE.TELEMETRY', 'CREATE.OTHER', 'LEADER.STEPDOWN.FORGE', 'PEER.REMOVE.FORGE'].map((call) => `$JS.API.STREAM.${call}`);
