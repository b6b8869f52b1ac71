import { loadConfig } from '../core/config.ts';
import { endOnSignal, endWhenRefused, runMain } from '../core/lifecycle.ts';
import { createLogger } from '../core/logger.ts';
import { connectNats, requireRole } from '../core/nats.ts';
import { createGateway } from './app.ts';

const logger = createLogger('gateway');

runMain(async () => {
  const config = loadConfig(process.env);
  // The deployer is a worker too: its answers come to the inbox of its own id.
  requireRole(config, 'gateway');
  const connection = await connectNats(config, `deploy-${config.workerId}`);
  const gateway = createGateway({ config, connection, logger });
  endOnSignal(async () => {
    await gateway.stop();
    await connection.close();
  }, logger);
  endWhenRefused(connection, logger);
  const { host, port } = await gateway.start();
  process.stdout.write(`ready http://${host.includes(':') ? `[${host}]` : host}:${port}\n`);
}, logger);
