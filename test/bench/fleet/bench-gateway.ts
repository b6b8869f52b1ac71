import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { dataPaths, loadConfig } from '../../../core/config.ts';
import { localSteps } from '../../../deploy/local/local-services.ts';
import { startPinned, type PinnedProcess } from '../gateway/pinned-process.ts';

const root = join(import.meta.dirname, '../../..');

export const serverCore = 0;
export const loadCore = 1;

export interface BenchGateway extends PinnedProcess {
  /** From the start of its process until it said that it is ready, in milliseconds. */
  readonly readyMs: number;
}

export interface Place {
  /** Starts a gateway as `npm start` does, on a core of its own. */
  start(): Promise<BenchGateway>;
  /** Resolves once there is a snapshot; at most a minute. */
  snapshot(): Promise<void>;
  remove(): Promise<void>;
}

/** Where gateways of one data directory run, one after the other. @param settings beside the defaults */
export async function gatewayPlace(natsUrl: string, settings: Record<string, string> = {}): Promise<Place> {
  const dataDir = await mkdtemp(join(tmpdir(), 'forge-bench-data-'));
  const env: NodeJS.ProcessEnv = {
    ...process.env, FORGE_NATS_URL: natsUrl, FORGE_DATA_DIR: dataDir, FORGE_PROJECT_ROOTS: dataDir, FORGE_PORT: '0',
    // Nothing listens there: what is measured needs no model.
    FORGE_INFERENCE: 'http://127.0.0.1:9',
    ...settings,
  };
  const spec = localSteps(root, loadConfig(env), undefined).flatMap(({ specs }) => specs).find(({ name }) => name === 'gateway')!;
  return {
    async start() {
      const from = performance.now();
      const gateway = await startPinned(serverCore, spec.args, { ...env, ...spec.env });
      return Object.assign(gateway, { readyMs: performance.now() - from });
    },
    async snapshot() {
      const deadline = performance.now() + 60_000;
      while (!existsSync(dataPaths(dataDir).snapshot)) {
        if (performance.now() > deadline) throw new Error('no snapshot was written within a minute');
        await setTimeout(50);
      }
    },
    remove: () => rm(dataDir, { recursive: true, force: true }),
  };
}
