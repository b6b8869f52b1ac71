import { JetStreamApiError, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';

const streamNotFound = 10059;

/** Makes the stream when it is missing; one that is there stays as it is. */
export async function ensureStream(manager: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  try {
    await manager.streams.info(config.name);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== streamNotFound) throw error;
    await manager.streams.add(config);
  }
}
