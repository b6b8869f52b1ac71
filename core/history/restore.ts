import { JetStreamApiError, jetstream, jetstreamManager, type PubAck } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ForgeError } from '../errors.ts';
import { ensureStream } from '../store/ensure-stream.ts';
import { createJetStreamStore, eventStream, eventStreamConfig } from '../store/jetstream-store.ts';
import { readBackup, type BackupSummary } from './backup-file.ts';
import { HistoryDigest, subjectIn } from './history-check.ts';
import { readHistory } from './read-history.ts';

/** Appends whose acknowledgement is awaited at the same time. */
const inFlight = 256;
const appendTimeoutMs = 30_000;

/**
 * Puts a backup into the stream of a server that holds no event yet, each message at the number it had, and reads all
 * of it back. The file is read twice, so that a damaged one changes nothing.
 * @param replicas on how many nodes of a cluster the stream is kept
 * @param before called once it is known that the file is whole and the server empty, before anything is written
 * @throws ForgeError wrong_state for a server that has events; invalid_argument for a file that is no whole backup
 */
export async function restoreBackup(connection: NatsConnection, path: string, replicas = 1, before: () => Promise<void> = async () => {}): Promise<BackupSummary> {
  const reading = readBackup(path);
  let step = await reading.next();
  while (step.done !== true) step = await reading.next();
  const summary = step.value;

  const manager = await jetstreamManager(connection, { checkAPI: false });
  await ensureStream(manager, { ...eventStreamConfig, num_replicas: replicas });
  const { last_seq: last } = (await manager.streams.info(eventStream)).state;
  if (last > 0) throw new ForgeError('wrong_state', `The server holds ${last} events already: restore into an empty one (another FORGE_DATA_DIR, or a nats-server with a new store_dir)`);
  await before();

  const client = jetstream(connection);
  const window: Promise<PubAck>[] = [];
  const settle = async (): Promise<void> => {
    await Promise.all(window.splice(0));
  };
  try {
    for await (const { sequence, subject, bytes } of readBackup(path)) {
      window.push(client.publish(subject, bytes, { timeout: appendTimeoutMs, retries: 0, expect: { streamName: eventStream, lastSequence: sequence - 1 } }));
      if (window.length >= inFlight) await settle();
    }
    await settle();
  } catch (error) {
    await Promise.allSettled(window);
    const why = error instanceof JetStreamApiError ? `nats-server refused it: ${error.message}` : (error as Error).message;
    throw new ForgeError('unavailable', `The restore was not finished (${why}): begin again with an empty server, and let nothing else write to it`, { cause: error });
  }

  const digest = new HistoryDigest();
  for await (const stored of readHistory(await createJetStreamStore(connection), summary.sequence)) digest.add(stored.sequence, subjectIn(stored), stored.bytes);
  if (digest.value !== summary.digest) throw new ForgeError('internal', 'What was restored is not what the backup holds: begin again with an empty server');
  return summary;
}
