/**
 * The agent as a process of its own with the scripted trainer, so that a test can kill it (or let `FORGE_FAULT` do it).
 * Arguments: URL of NATS, data directory.
 */
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { createAgent } from '../../gpu-agent/agent.ts';
import { defaultTrainerSettings } from '../../gpu-agent/deps.ts';
import { describeHost } from '../../gpu-agent/host/inventory.ts';
import { scriptedTrainer } from './agent-scene.ts';

const [url, dataDir] = process.argv.slice(2);
const agent = createAgent({
  nats: await connectNats(url!, 'agent', '_INBOX.local'),
  workerId: 'local',
  dataDir: dataDir!,
  info: describeHost([]),
  settings: { beatMs: 50, fenceMs: 5_000 },
  trainer: {
    ...defaultTrainerSettings,
    python: process.execPath,
    threads: 1,
    commandLine: (command, file) => ({ command: process.execPath, args: [scriptedTrainer, command, '--config', file] }),
  },
  starter: { seconds: 1, corpus: async () => [] },
  tools: { libraryDir: '', converterDir: '' },
  logger: silentLogger,
});
await agent.start();
