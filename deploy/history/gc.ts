// `npm run gc [-- --dry-run]`: removes blobs that no event names any more.
import { collectGarbage, type Count } from '../../core/blobs/collect.ts';
import { sweepTemporary } from '../../core/blobs/sweep.ts';
import { dataPaths } from '../../core/config.ts';
import { ForgeError } from '../../core/errors.ts';
import { readHistory } from '../../core/history/read-history.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { readMark } from '../../core/store/mark-file.ts';
import { replayed } from '../../core/store/replay-view.ts';
import { runHistoryCommand } from './command.ts';
import { withNats } from './open-nats.ts';

const shown = ({ blobs, bytes }: Count): string => `${blobs} blobs of ${bytes} bytes`;

await runHistoryCommand('npm run gc -- [--dry-run]', { takesFile: false, knows: ['dry-run'] }, ({ config, dryRun }) => {
  if (config.blobsUrl !== '') throw new ForgeError('invalid_argument', 'FORGE_BLOBS_URL: the blobs of this host are a gateway’s; run the command where they lie, without this setting');
  const paths = dataPaths(config.dataDir);
  return withNats(config, async (connection) => {
    // A history that is not that of these blobs names none of them: it must not be taken for one that needs none.
    const store = await createJetStreamStore(connection, { mark: await readMark(paths.mark) });
    const now = Date.now();
    const { state, messages, unknown } = await replayed(readHistory(store, await store.lastSequence()));
    if (messages === 0) throw new ForgeError('wrong_state', `the server at FORGE_NATS_URL holds no events: it is not that of the blobs in ${paths.blobs}. Nothing was removed`);
    if (unknown > 0) throw new ForgeError('wrong_state', `${unknown} of ${messages} messages can't be read by this version, and what they name is not known: see npm run verify, and upgrade this host where they are of a newer version. Nothing was removed`);
    const { reachable, young, removed, missing } = await collectGarbage({ root: paths.blobs, state, now, dryRun });
    if (!dryRun) for (const problem of await sweepTemporary(paths.blobs, now)) console.error(`what is left of an upload could not be removed: ${problem}`);
    for (const digest of missing) console.error(`blob ${digest} is named by events and is not there`);
    console.log(`Named by events: ${shown(reachable)}. Stored within the last day: ${shown(young)}. ${dryRun ? 'Would be removed' : 'Removed'}: ${shown(removed)}.`);
    return missing.length === 0;
  });
});
