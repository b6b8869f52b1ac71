// `npm run restore -- FILE`: a backup into a server that has no events yet.
import { rm } from 'node:fs/promises';
import { dataPaths } from '../../core/config.ts';
import { restoreBackup } from '../../core/history/restore.ts';
import { runHistoryCommand } from './command.ts';
import { withNats } from './open-nats.ts';

await runHistoryCommand('npm run restore -- FILE', { takesFile: true }, ({ config, file }) =>
  withNats(config, async (connection) => {
    const { sequence, digest } = await restoreBackup(connection, file!, config.natsReplicas);
    // Whoever restores has decided what the history is: what a gateway saw here before stands against it no more.
    await rm(dataPaths(config.dataDir).mark, { force: true });
    console.log(`${sequence} events were restored and read back. The history is ${digest || 'empty'}.`);
    return true;
  }),
);
