// `npm run backup -- FILE`: a copy of the event stream, and of the blobs that it names, while everything runs.
import { mkdir } from 'node:fs/promises';
import { reachableDigests } from '../../core/blobs/collect.ts';
import { copyBlobs } from '../../core/blobs/copy-blobs.ts';
import { dataPaths } from '../../core/config.ts';
import { writeBackup, type Message } from '../../core/history/backup-file.ts';
import { addHead } from '../../core/history/heads.ts';
import { subjectIn } from '../../core/history/history-check.ts';
import { readHistory } from '../../core/history/read-history.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { replayed, type StateView } from '../../core/store/replay-view.ts';
import { runHistoryCommand } from './command.ts';
import { withNats } from './open-nats.ts';

async function* messagesOf(store: EventStore): AsyncIterable<Message> {
  for await (const stored of readHistory(store, await store.lastSequence())) yield { sequence: stored.sequence, subject: subjectIn(stored), bytes: stored.bytes };
}

await runHistoryCommand('npm run backup -- FILE [--blobs DIR] [--heads FILE]', { takesFile: true, knows: ['heads', 'blobs'] }, ({ config, file, heads, blobs }) =>
  withNats(config, async (connection) => {
    const store = await createJetStreamStore(connection);
    const { sequence, digest } = await writeBackup(file!, messagesOf(store), Date.now());
    if (sequence > 0) await addHead(heads, { sequence, digest, time: new Date().toISOString() });
    console.log(`${sequence} events are in ${file}. The history is ${digest || 'empty'}; kept in ${heads}.`);
    // Of the very events that are in the file: a later checkpoint is not what they name.
    return blobs === undefined || backUpBlobs(dataPaths(config.dataDir).blobs, blobs, (await replayed(readHistory(store, sequence))).state);
  }),
);

/** @returns whether all that the events name is in the copy */
async function backUpBlobs(from: string, to: string, state: StateView): Promise<boolean> {
  // A tree that was altered is told as what could not be copied.
  const { digests } = await reachableDigests(from, state);
  await mkdir(to, { recursive: true, mode: 0o700 });
  const { copied, bytes, there, problems } = await copyBlobs(digests, from, to);
  for (const problem of problems) console.error(problem);
  console.log(`${copied} blobs of ${bytes} bytes were copied to ${to}, ${there} were there${problems.length === 0 ? '' : `, ${problems.length} that the events name could not be copied`}.`);
  return problems.length === 0;
}
