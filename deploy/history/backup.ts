// `npm run backup -- FILE`: a copy of the event stream, while everything runs.
import { writeBackup, type Message } from '../../core/history/backup-file.ts';
import { addHead } from '../../core/history/heads.ts';
import { subjectIn } from '../../core/history/history-check.ts';
import { readHistory } from '../../core/history/read-history.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { runHistoryCommand } from './command.ts';
import { withNats } from './open-nats.ts';

async function* messagesOf(store: EventStore): AsyncIterable<Message> {
  for await (const stored of readHistory(store, await store.lastSequence())) yield { sequence: stored.sequence, subject: subjectIn(stored), bytes: stored.bytes };
}

await runHistoryCommand('npm run backup -- FILE [--heads FILE]', { takesFile: true }, ({ config, file, heads }) =>
  withNats(config, async (connection) => {
    const { sequence, digest } = await writeBackup(file!, messagesOf(await createJetStreamStore(connection)), Date.now());
    if (sequence > 0) await addHead(heads, { sequence, digest, time: new Date().toISOString() });
    console.log(`${sequence} events are in ${file}. The history is ${digest || 'empty'}; kept in ${heads}.`);
    return true;
  }),
);
