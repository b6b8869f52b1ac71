import { warnOfPlainHttp } from '../core/blobs/http/plain-http.ts';
import { loadConfig } from '../core/config.ts';
import { endOnSignal, endWhenRefused, runMain } from '../core/lifecycle.ts';
import { createLogger } from '../core/logger.ts';
import { connectNats, requireRole } from '../core/nats.ts';
import { createGuardian, guardianId } from './guardian.ts';

/** How long running work has to be given back; a supervisor allows 8 s for everything. */
const stopMs = 5_000;

const logger = createLogger('guardian');

runMain(async () => {
  const config = loadConfig(process.env);
  requireRole(config, 'guardian');
  const nats = await connectNats(config, guardianId);
  warnOfPlainHttp(config.blobsUrl, logger);
  const guardian = createGuardian({ config, nats, logger });
  endOnSignal(async () => {
    await guardian.stop(stopMs);
    await nats.close();
  }, logger);
  endWhenRefused(nats, logger);
  await guardian.start();
  process.stdout.write('ready\n');
}, logger);
