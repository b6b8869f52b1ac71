import { setTimeout } from 'node:timers/promises';
import { warnOfPlainHttp } from '../core/blobs/http/plain-http.ts';
import { loadConfig } from '../core/config.ts';
import { endOnSignal, endWhenRefused, runMain } from '../core/lifecycle.ts';
import { createLogger } from '../core/logger.ts';
import { connectNats, requireRole } from '../core/nats.ts';
import { createAgent, nodeModules } from './agent.ts';
import { defaultTrainerSettings } from './deps.ts';
import { describeHost } from './host/inventory.ts';
import { queryGpus } from './host/nvidia-smi.ts';
import { startReadings } from './host/readings.ts';
import { findLlamaTools } from './llama-tools.ts';
import { starterCorpus } from './starter-corpus.ts';

/** How long trainers have to save and be given back when the daemon is shut down; then what still runs is ended. */
const drainMs = 6_500;
/** A daemon that is busy for a moment is no dead one, however short a test sets its times. */
const minGuardMs = 2_000;
/** nvidia-smi is a process of its own each time. */
const minReadingMs = 1_000;

const logger = createLogger('agent');

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  requireRole(config, 'agent');
  const nats = await connectNats(config, `agent-${config.workerId}`, `_INBOX.${config.workerId}`);
  warnOfPlainHttp(config.blobsUrl, logger);
  const gpus = await queryGpus();
  const readings = startReadings({ everyMs: Math.max(minReadingMs, config.beatMs), hasGpus: gpus.length > 0, dataDir: config.dataDir });
  const agent = createAgent({
    nats,
    workerId: config.workerId,
    dataDir: config.dataDir,
    blobs: config.blobsUrl === '' ? undefined : { url: config.blobsUrl, cacheBytes: config.blobsCacheBytes },
    info: describeHost(gpus, config.labels),
    reading: readings.newest,
    settings: { beatMs: config.beatMs, fenceMs: config.fenceMs },
    trainer: { ...defaultTrainerSettings, guardMs: Math.max(minGuardMs, config.fenceMs), python: config.python, threads: config.threads },
    starter: { seconds: config.starterSeconds, corpus: () => starterCorpus(nodeModules, config.python) },
    tools: await findLlamaTools(nodeModules, config.python),
    logger,
  });
  // An end that is forced leaves the trainers to their guards, which see it.
  endOnSignal(async () => {
    const drained = await Promise.race([agent.drain().then(() => true), setTimeout(drainMs, false)]);
    if (!drained) logger.warn('not all attempts could be given back in time; the next start does it');
    readings.stop();
    await agent.stop();
    await nats.close();
  }, logger);
  endWhenRefused(nats, logger);
  await agent.start();
  process.stdout.write('ready\n');
}

runMain(main, logger);
