import { loadConfig } from '../core/config.ts';
import { createLogger } from '../core/logger.ts';
import { connectNats } from '../core/nats.ts';
import { createGuardian, guardianId } from './guardian.ts';

/** A supervisor allows 8 s. */
const stopMs = 5_000;
const lastResortMs = 7_000;

const logger = createLogger('guardian');
try {
  const config = loadConfig(process.env);
  const nats = await connectNats(config.natsUrl, guardianId);
  const guardian = createGuardian({ config, nats, logger });
  let signals = 0;
  const end = async (): Promise<void> => {
    signals += 1;
    if (signals > 1) process.exit(1);
    setTimeout(() => process.exit(1), lastResortMs).unref();
    await guardian.stop(stopMs);
    await nats.close();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end());
  await guardian.start();
  process.stdout.write('ready\n');
} catch (error) {
  logger.error('could not start', { error });
  process.exit(1);
}
