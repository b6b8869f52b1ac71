import { join } from 'node:path';
import type { Config } from '../../core/config.ts';
import { dataPaths } from '../../core/config.ts';
import { findNatsServer, natsService } from './nats-server.ts';
import type { ServiceSpec } from './service.ts';
import type { Step } from './supervisor.ts';

/**
 * What the gateway holds lives long or dies with its request. A nursery of 8 MiB (half of Node's) holds what is under way at
 * 64 connections without copying most of it; one of 2 MiB saved 10 MiB and cost a quarter of those requests a second.
 * Compiled on the main thread: the others keep what they took for it (12 MiB).
 */
const gatewayFlags = ['--max-semi-space-size=8', '--no-concurrent-recompilation'];

/**
 * What `npm start` runs. The graces add up to less than 10 s: the agent and the guardian save and give back while
 * the gateway still answers them, then the gateway, then NATS.
 * @param natsPort where the own nats-server listens, or undefined when the user's `FORGE_NATS_URL` is to be used
 */
export function localSteps(root: string, config: Config, natsPort: number | undefined): Step[] {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    FORGE_DATA_DIR: config.dataDir,
    FORGE_PYTHON: config.python,
    FORGE_PROJECT_ROOTS: config.projectRoots.join(':'),
    // Without it each start strips the types of all files anew, in a compiler that takes tens of megabytes.
    NODE_COMPILE_CACHE: join(config.dataDir, 'compiled'),
    ...(natsPort === undefined ? {} : { FORGE_NATS_URL: `nats://127.0.0.1:${natsPort}` }),
  };
  const node = (name: string, file: string, ...flags: string[]): ServiceSpec => ({
    name,
    command: process.execPath,
    args: [...flags, join(root, file)],
    cwd: process.cwd(),
    env,
    isReady: (line) => line === 'ready' || line.startsWith('ready '),
  });
  const steps: Step[] = [
    { specs: [node('gateway', 'gateway/main.ts', ...gatewayFlags)], graceMs: 1_600 },
    { specs: [node('guardian', 'guardian/main.ts'), node('agent', 'gpu-agent/main.ts')], graceMs: 7_300 },
  ];
  if (natsPort !== undefined) steps.unshift({ specs: [natsService(findNatsServer(root).command, dataPaths(config.dataDir).nats, natsPort, env)], graceMs: 700 });
  return steps;
}

/** A service that chose its own port keeps it when it is started again. */
export function keepPort(spec: ServiceSpec, url: string | undefined): ServiceSpec {
  if (spec.name !== 'gateway' || url === undefined) return spec;
  return { ...spec, env: { ...spec.env, FORGE_PORT: new URL(url).port } };
}
