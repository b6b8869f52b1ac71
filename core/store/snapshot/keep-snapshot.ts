import type { Logger } from '../../logger.ts';
import { sha256Hex } from '../envelope.ts';
import type { Ledger } from '../ledger.ts';
import type { Heads } from '../kind-fold.ts';
import { readSnapshot, writeSnapshot, type Snapshot } from './snapshot-file.ts';

interface Place {
  path: string;
  schema: string;
  logger: Logger;
}

/**
 * The snapshot to start from: of this code's schema, undamaged, and of this very stream, which holds its last message.
 * @param message bytes of the stream's message of a sequence, from the leader; undefined where there is none
 * @returns undefined where all events are to be read
 */
export async function openSnapshot({ path, schema, logger, kinds, message }: Place & { kinds: readonly string[]; message(sequence: number): Promise<Uint8Array | undefined> }): Promise<Snapshot<Heads> | undefined> {
  const read = await readSnapshot(path, schema, kinds);
  if (read === undefined) return undefined;
  const snapshot = typeof read === 'string' ? undefined : read;
  const bytes = snapshot && (await message(snapshot.sequence));
  if (snapshot !== undefined && bytes !== undefined && sha256Hex(bytes) === snapshot.sha256) {
    logger.info('starting from a snapshot', { path, sequence: snapshot.sequence });
    return snapshot;
  }
  logger.warn('the snapshot is not used: all events are read', { path, reason: typeof read === 'string' ? read : 'it is of another stream' });
  return undefined;
}

export interface SnapshotTimes {
  /** Between two looks whether one is due. */
  lookMs: number;
  /** Messages since the last one that make it due. */
  messages: number;
  /** The same at a stop. Fewer are read again sooner than all states are written. */
  messagesAtStop: number;
}

const defaultTimes: SnapshotTimes = { lookMs: 60_000, messages: 20_000, messagesAtStop: 1_000 };

/** Writes a snapshot of a ledger now and then, from now on, and when it stops. One that can't be written is told, and only costs time. */
export function keepSnapshot({ path, schema, logger, ledger, times = {} }: Place & { ledger: Ledger; times?: Partial<SnapshotTimes> }): { stop(): Promise<void> } {
  const { lookMs, messages, messagesAtStop } = { ...defaultTimes, ...times };
  let written = ledger.snapshotSequence;
  let writing = Promise.resolve();
  const write = (due: number): void => {
    writing = writing.then(async () => {
      if (ledger.applied - written < due) return;
      const snapshot = ledger.snapshot();
      await writeSnapshot(path, schema, snapshot);
      written = snapshot.sequence;
    }).catch((error: unknown) => logger.warn('a snapshot could not be written', { path, error: (error as Error).message }));
  };
  // At once: a start that read many messages need not do so again, even if this process is killed.
  write(messages);
  const timer = setInterval(() => write(messages), lookMs).unref();
  return {
    stop() {
      clearInterval(timer);
      write(messagesAtStop);
      return writing;
    },
  };
}
