/**
 * The embedded engine, a process of its own: llama.cpp behind OpenAI's HTTP on a loopback port.
 * Arguments: --models <dir>; optional ones below. Prints `ready http://127.0.0.1:<port>`.
 * Ends when its stdin ends, so also when its parent was killed with -9.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { createLogger } from '../../../core/logger.ts';
import { loadLibrary } from './library.ts';
import { ModelCache } from './model-cache.ts';
import { usualBytes } from './model-memory.ts';
import { createEngineRoutes } from './routes.ts';

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    port: { type: 'string', default: '0' },
    threads: { type: 'string', default: '0' },
    slots: { type: 'string', default: '4' },
    context: { type: 'string', default: '4096' },
    queue: { type: 'string', default: '64' },
    'loaded-models': { type: 'string', default: '16' },
    'loaded-bytes': { type: 'string', default: String(usualBytes()) },
  },
});
if (values.models === undefined) throw new Error('--models is required');

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
process.once('SIGTERM', () => process.exit(0));
// A terminal's ctrl-C reaches the whole group; the parent decides when this process ends.
process.on('SIGINT', () => undefined);

const logger = createLogger('embedded');
const llama = await loadLibrary(Number(values.threads), logger);
const cache = new ModelCache(llama, values.models, {
  slots: Number(values.slots),
  contextTokens: Number(values.context),
  queue: Number(values.queue),
  models: Number(values['loaded-models']),
  bytes: Number(values['loaded-bytes']),
});
const server = createServer(createEngineRoutes(cache, values.models, logger));
server.listen(Number(values.port), '127.0.0.1', () => process.stdout.write(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}\n`));
