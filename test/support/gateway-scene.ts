import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { WebSocket } from 'ws';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { dataPaths, loadConfig, type Config } from '../../core/config.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { createWorker, type Worker } from '../../core/worker/worker.ts';
import type { TaskRunner } from '../../core/worker/task-runner.ts';
import { createGateway, type Gateway } from '../../gateway/app.ts';
import { createGuardian } from '../../guardian/guardian.ts';
import { startNats, type TestNats } from './nats.ts';
import { makeRepository } from './repository.ts';

export interface GatewayScene {
  nats: TestNats;
  config: Config;
  blobs: BlobStore;
  url: string;
  /** A folder below the project roots, itself a repository of this name. */
  project: string;
  get(path: string): Promise<Answer>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** A worker that takes train tasks, and others that are named, and does what the test says. */
  trainer(run: TaskRunner, others?: Partial<Record<TaskKind, TaskRunner>>): Promise<Worker>;
  guardian(): Promise<{ stop(): Promise<void> }>;
  /** Stops the gateway alone. */
  stop(): Promise<void>;
  /** Stops the gateway and starts another on the same stream and port. */
  restart(): Promise<void>;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

/** A real nats-server, the gateway on a real socket, and a repository; the guardian and workers as the test wants them. */
export async function gatewayScene(t: Pick<Test, 'teardown'>, settings: Record<string, string> = {}): Promise<GatewayScene> {
  const nats = await startNats(t);
  const dataDir = await mkdtemp(join(tmpdir(), 'forge-gateway-'));
  const roots = await mkdtemp(join(tmpdir(), 'forge-roots-'));
  const project = 'tiny';
  await makeRepository(t, sources(), join(roots, project));
  const config = loadConfig({
    FORGE_NATS_URL: nats.url,
    FORGE_DATA_DIR: dataDir,
    FORGE_PORT: '0',
    FORGE_PROJECT_ROOTS: roots,
    // Nothing listens there: what these tests look at needs no model.
    FORGE_INFERENCE: 'http://127.0.0.1:9',
    FORGE_BEAT_MS: '100',
    FORGE_FENCE_MS: '1000',
    FORGE_LOSS_MS: '2000',
    ...settings,
  });
  const ends: (() => Promise<unknown>)[] = [];
  t.teardown(async () => {
    for (const end of ends.reverse()) await end();
    for (const dir of [dataDir, roots]) await rm(dir, { recursive: true, force: true });
  });

  let gateway: Gateway;
  let port = 0;
  const open = async (): Promise<void> => {
    const connection = await connectNats(nats.url, `deploy-${config.workerId}`);
    gateway = createGateway({ config: { ...config, port }, connection, logger: silentLogger });
    ({ port } = await gateway.start());
    const closing = gateway;
    ends.push(async () => {
      await closing.stop();
      await connection.close();
    });
  };
  await open();

  const call = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
  };
  return {
    nats, config, project,
    blobs: createFileBlobStore(dataPaths(dataDir).blobs),
    get url() { return `http://127.0.0.1:${port}`; },
    get: (path) => call(path, {}),
    post: (path, body, headers = {}) => call(path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }) }),
    async trainer(run, others = {}) {
      const runners = { [TaskKind.TRAIN]: run, ...others };
      const connection = await connectNats(nats.url, 'trainer');
      const worker = createWorker({
        nats: connection, workerId: 'trainer', logger: silentLogger,
        info: { slots: [{ name: 'train', kinds: Object.keys(runners).map((kind) => Number(kind) as TaskKind) }] },
        runners,
        dirs: { spool: join(dataDir, 'spool'), work: join(dataDir, 'work') },
        settings: { beatMs: config.beatMs, fenceMs: config.fenceMs },
      });
      await worker.start();
      ends.push(async () => { await worker.stop(); await connection.close(); });
      return worker;
    },
    async guardian() {
      const connection = await connectNats(nats.url, 'guardian');
      const guardian = createGuardian({ config, nats: connection, logger: silentLogger });
      await guardian.start();
      const stop = async (): Promise<void> => { await guardian.stop(2_000); await connection.close(); };
      ends.push(stop);
      return { stop };
    },
    stop: () => gateway.stop(),
    async restart() {
      await gateway.stop();
      await open();
    },
  };
}

export interface Watched {
  messages: Record<string, unknown>[];
  code: number;
}

/** Follows a job's feed to its end, or until `until` says so. */
export function watch(scene: Pick<GatewayScene, 'url'>, jobId: string, after = '', until: (message: Record<string, unknown>) => boolean = () => false): Promise<Watched> {
  const socket = new WebSocket(`${scene.url.replace('http', 'ws')}/ws/training/${jobId}${after === '' ? '' : `?after=${after}`}`);
  const messages: Record<string, unknown>[] = [];
  return new Promise((resolve, reject) => {
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Record<string, unknown>;
      messages.push(message);
      if (until(message)) socket.close();
    });
    socket.on('error', reject);
    socket.on('close', (code) => resolve({ messages, code }));
  });
}

/** Enough small files for a dataset with held-out rows. */
function sources(): Record<string, string> {
  const files: Record<string, string> = {};
  for (let n = 0; n < 12; n++) {
    files[`src/part${n}.py`] = Array.from({ length: 6 }, (_, m) => `def area_${n}_${m}(width, height):\n    """Area of shape ${n}, variant ${m}."""\n    scaled = width * ${n + 1} + height * ${m + 1}\n    return scaled * ${n * m + 3}\n\n`).join('\n');
  }
  return files;
}
