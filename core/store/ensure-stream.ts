import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { isNoStream } from './jetstream-errors.ts';

/** Makes the stream when it is missing; one that is there stays as it is. */
export async function ensureStream(manager: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  try {
    await manager.streams.info(config.name);
  } catch (error) {
    if (!isNoStream(error)) throw error;
    await manager.streams.add(config);
  }
}
