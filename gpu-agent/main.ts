import { loadConfig } from '../core/config.ts';
import { createLogger } from '../core/logger.ts';
import { connectNats } from '../core/nats.ts';
import { createAgent, nodeModules } from './agent.ts';
import { defaultTrainerSettings } from './deps.ts';
import { describeHost } from './host/inventory.ts';
import { queryGpus } from './host/nvidia-smi.ts';
import { findLlamaTools } from './llama-tools.ts';
import { starterCorpus } from './starter-corpus.ts';

/** How long a shutdown may take in all: trainers save, are given back, and the reports are answered. */
const shutdownMs = 7_000;
/** What is left after the drain's deadline to end what still runs. */
const forceMs = 800;
/** A daemon that is busy for a moment is no dead one, however short a test sets its times. */
const minGuardMs = 2_000;

const logger = createLogger('agent');
try {
  const config = loadConfig(process.env);
  const nats = await connectNats(config.natsUrl, `agent-${config.workerId}`, `_INBOX.${config.workerId}`);
  const agent = createAgent({
    nats,
    workerId: config.workerId,
    dataDir: config.dataDir,
    info: describeHost(await queryGpus()),
    settings: { beatMs: config.beatMs, fenceMs: config.fenceMs },
    trainer: { ...defaultTrainerSettings, guardMs: Math.max(minGuardMs, config.fenceMs), python: config.python, threads: config.threads },
    starter: { seconds: 60, corpus: () => starterCorpus(nodeModules, config.python) },
    tools: await findLlamaTools(nodeModules, config.python),
    logger,
  });

  let signals = 0;
  const onSignal = (name: NodeJS.Signals): void => {
    signals += 1;
    // The guards see the end of this process, and end the trainers.
    if (signals > 1) process.exit(1);
    logger.info(`${name}: draining; a second signal forces the end`);
    void shutDown();
  };
  const shutDown = async (): Promise<void> => {
    setTimeout(() => process.exit(1), shutdownMs).unref();
    const drained = await Promise.race([agent.drain().then(() => true), new Promise<boolean>((resolve) => setTimeout(() => resolve(false), shutdownMs - forceMs))]);
    if (!drained) logger.warn('not all attempts could be given back in time; the next start does it');
    await agent.stop();
    await nats.close();
    process.exit(0);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  await agent.start();
  process.stdout.write('ready\n');
} catch (error) {
  logger.error('could not start', { error: error instanceof Error ? error.message : error });
  process.exitCode = 1;
}
