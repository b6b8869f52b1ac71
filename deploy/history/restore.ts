// `npm run restore -- FILE`: a backup into a server that has no events yet, and its blobs into the data directory.
import { rm } from 'node:fs/promises';
import { copyBlobs, verifiedDigests } from '../../core/blobs/copy-blobs.ts';
import { dataPaths } from '../../core/config.ts';
import { ForgeError } from '../../core/errors.ts';
import { restoreBackup } from '../../core/history/restore.ts';
import { runHistoryCommand } from './command.ts';
import { withNats } from './open-nats.ts';

await runHistoryCommand('npm run restore -- FILE [--blobs DIR]', { takesFile: true, knows: ['blobs'] }, ({ config, file, blobs }) =>
  withNats(config, async (connection) => {
    const paths = dataPaths(config.dataDir);
    const copies = blobs === undefined ? [] : await verifiedDigests(blobs);
    // Before the events, so that none names what is not there yet.
    const { sequence, digest } = await restoreBackup(connection, file!, config.natsReplicas, async () => {
      if (blobs !== undefined) await restoreBlobs(copies, blobs, paths.blobs);
    });
    // Whoever restores has decided what the history is: what a gateway saw here before stands against it no more.
    await rm(paths.mark, { force: true });
    console.log(`${sequence} events were restored and read back. The history is ${digest || 'empty'}.`);
    return true;
  }),
);

async function restoreBlobs(digests: readonly string[], from: string, to: string): Promise<void> {
  const { copied, bytes, there, problems } = await copyBlobs(digests, from, to);
  if (problems.length > 0) throw new ForgeError('unavailable', `the blobs could not be restored, and no event was: ${problems.slice(0, 3).join('; ')}`);
  console.log(`${copied} blobs of ${bytes} bytes were restored to ${to}, ${there} were there.`);
}
