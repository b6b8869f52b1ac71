import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import type { NatsConnection } from '@nats-io/transport-node';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { dataPaths } from '../../core/config.ts';
import { connectNats, type NatsServer } from '../../core/nats.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { readHistory } from './check-stream.ts';
import { freePort, startNats, type TestNats } from './nats.ts';
import { makeFolder, makeRepository, type Files } from './repository.ts';
import { createServiceProcess, type ServiceProcess } from './service-process.ts';

export type ServiceName = 'gateway' | 'guardian' | 'agent';

/** Where a stepping trainer may kill itself; `step` counts from 0, which only `loading` has. */
export interface TrainerDeath {
  point: 'loading' | 'step' | 'saving' | 'saved' | 'told' | 'result' | 'end';
  step: number;
}

export interface TrainerHold {
  /** @returns process id of the trainer, once one waits */
  reached(): Promise<number>;
  release(): Promise<void>;
}

/** The whole service on one machine: real processes with short times, and a repository to train on. */
export interface Stack {
  readonly nats: TestNats;
  readonly gateway: ServiceProcess;
  readonly guardian: ServiceProcess;
  readonly agent: ServiceProcess;
  readonly url: string;
  readonly dataDir: string;
  /** Where a test lays what the stepping trainer heeds. */
  readonly trainerDir: string;
  readonly repository: string;
  readonly blobs: BlobStore;
  /** The test's own connection to NATS. */
  readonly connection: NatsConnection;
  /**
   * Everything that the stream holds now, read over a new connection: one that was cut with nats-server loses what is asked
   * before it stands again.
   */
  history(): Promise<StoredEnvelope[]>;
  /** Data directory of an agent, or of the guardian. */
  dataDirOf(worker: string): string;
  /** Starts one more agent, another worker on the same host. Resolves when it is ready. */
  anotherAgent(workerId: string): Promise<ServiceProcess>;
  /** Starts one more gateway on the same stream and blobs, otherwise with a data directory of its own. */
  anotherGateway(workerId: string): Promise<{ url: string; gateway: ServiceProcess }>;
  /** The next trainer that gets there kills itself. */
  trainerDies(death: TrainerDeath): Promise<void>;
  /** Trainers of that command wait at that step (of an evaluation or export: twentieth), or later, as long as they are held. */
  trainerHolds(command: 'train' | 'evaluate' | 'export', step: number): Promise<TrainerHold>;
  /** Process id of the stepping trainer that started last. */
  trainerPid(): Promise<number>;
  /** Whether the last order to die was carried out. */
  trainerDied(): Promise<boolean>;
  /** What the processes wrote last. */
  logs(): string;
}

export interface StackOptions {
  /** Instead of the stepping trainer. */
  python?: string;
  env?: NodeJS.ProcessEnv;
  files?: Files;
  /** Instead of guardian/main.ts. */
  guardianMain?: string;
  /** Guardian and agents have data directories of their own, as on hosts that share no disk: blobs are the gateway's alone. */
  apart?: boolean;
  /** Instead of a nats-server that asks nobody who they are. */
  server?: StackServer;
  /** Instead of gateway/main.ts, with its arguments. */
  gatewayMain?: readonly string[];
}

/** A nats-server, or a cluster, and how each reaches it. */
export interface StackServer {
  nats: TestNats;
  /** Settings of a process. @param service `gateway`, `guardian`, `agent` or another agent's id */
  envOf(service: string): NodeJS.ProcessEnv;
  /** How the test itself does. */
  own: NatsServer;
}

/** Prefix of the test's own inboxes: an operator's. */
const ownInbox = '_INBOX.operator.test';

const root = join(import.meta.dirname, '../..');
/**
 * Processes are started a hundred times here: what one has compiled the next one takes. Not in the stack's folder, since
 * the engine of a gateway that was killed writes to it a moment longer than the test lasts.
 */
export const compileCache = join(tmpdir(), 'forge-compile-cache');

/** Starts everything and resolves when all is ready. All of it is gone with the test. */
export async function startStack(t: Pick<Test, 'teardown'>, options: StackOptions = {}): Promise<Stack> {
  const folder = await makeFolder(t);
  const repository = await makeRepository(t, options.files ?? smallProject(), join(folder, 'projects', 'toy'));
  const trainerDir = join(folder, 'trainer');
  await mkdir(trainerDir);
  const { nats, envOf, own } = options.server ?? (await openServer(t));
  const port = await freePort();
  const dataDir = join(folder, 'data');
  const env = {
    ...withoutSettings(process.env),
    STEPPING_TRAINER_DIR: trainerDir,
    NODE_COMPILE_CACHE: compileCache,
    FORGE_PORT: String(port),
    FORGE_DATA_DIR: dataDir,
    FORGE_PROJECT_ROOTS: dirname(repository),
    FORGE_NATS_URL: own.natsUrl,
    FORGE_PYTHON: options.python ?? (await steppingPython(folder)),
    FORGE_BEAT_MS: '100',
    FORGE_FENCE_MS: '600',
    FORGE_LOSS_MS: '1500',
    // Nothing listens there: only training matters here.
    FORGE_INFERENCE: 'http://127.0.0.1:9',
    OLLAMA_HOST: 'http://127.0.0.1:9',
    ...options.env,
  };
  const dataDirOf = (worker: string): string => (options.apart === true ? join(folder, `data-of-${worker}`) : dataDir);
  const apartOf = (worker: string): NodeJS.ProcessEnv => (options.apart === true ? { FORGE_DATA_DIR: dataDirOf(worker), FORGE_BLOBS_URL: `http://127.0.0.1:${port}` } : {});
  const services = [
    createServiceProcess('gateway', options.gatewayMain ?? [join(root, 'gateway/main.ts')], { ...env, ...envOf('gateway') }),
    createServiceProcess('guardian', [options.guardianMain ?? join(root, 'guardian/main.ts')], { ...env, ...apartOf('guardian'), ...envOf('guardian') }),
    createServiceProcess('gpu-agent', [join(root, 'gpu-agent/main.ts')], { ...env, ...apartOf('local'), ...envOf('agent') }),
  ];
  const [gateway, guardian, agent] = services as [ServiceProcess, ServiceProcess, ServiceProcess];
  t.teardown(() => Promise.all(services.map((service) => service.stop())));
  const connection = await connectNats(own, 'fault-test', ownInbox);
  t.teardown(() => connection.close());
  await Promise.all(services.map((service) => service.ready()));
  return {
    nats, gateway, guardian, agent, dataDir, dataDirOf, trainerDir, repository, connection,
    url: `http://127.0.0.1:${port}`,
    blobs: createFileBlobStore(dataPaths(dataDir).blobs),
    async history() {
      const reader = await connectNats(own, 'history', ownInbox);
      try {
        return await readHistory(await createJetStreamStore(reader));
      } finally {
        await reader.close();
      }
    },
    async anotherAgent(workerId) {
      const another = createServiceProcess(workerId, [join(root, 'gpu-agent', 'main.ts')], { ...env, ...apartOf(workerId), FORGE_WORKER_ID: workerId, ...envOf(workerId) });
      services.push(another);
      await another.ready();
      return another;
    },
    async anotherGateway(workerId) {
      const own = join(folder, workerId);
      await mkdir(own);
      await mkdir(dataPaths(dataDir).blobs, { recursive: true });
      await symlink(dataPaths(dataDir).blobs, dataPaths(own).blobs);
      const port = await freePort();
      const gateway = createServiceProcess(workerId, [join(root, 'gateway', 'main.ts')], { ...env, FORGE_WORKER_ID: workerId, FORGE_DATA_DIR: own, FORGE_PORT: String(port), ...envOf(workerId) });
      services.push(gateway);
      await gateway.ready();
      return { url: `http://127.0.0.1:${port}`, gateway };
    },
    trainerDies: (death) => writeFile(join(trainerDir, 'die'), JSON.stringify(death)),
    async trainerHolds(command, step) {
      const held = join(trainerDir, 'held');
      await rm(held, { force: true });
      await writeFile(join(trainerDir, 'hold'), JSON.stringify({ command, step }));
      return {
        reached: () => untilWritten(held),
        release: () => rm(join(trainerDir, 'hold'), { force: true }),
      };
    },
    trainerPid: async () => Number(await readFile(join(trainerDir, 'pid'), 'utf8')),
    async trainerDied() {
      const waiting = await readFile(join(trainerDir, 'die')).then(() => true, () => false);
      await rm(join(trainerDir, 'die'), { force: true });
      return !waiting;
    },
    logs: () => services.map((service) => `=== ${service.name}\n${service.log}`).join('\n'),
  };
}

async function openServer(t: Pick<Test, 'teardown'>): Promise<StackServer> {
  const nats = await startNats(t);
  return { nats, envOf: () => ({}), own: { natsUrl: nats.url } };
}

/** Another process writes it, and tells nobody: it is looked at every few milliseconds. */
async function untilWritten(file: string, ms = 60_000): Promise<number> {
  const deadline = performance.now() + ms;
  for (;;) {
    const pid = Number(await readFile(file, 'utf8').catch(() => ''));
    if (pid > 0) return pid;
    if (performance.now() > deadline) throw new Error(`no trainer has come to where it is held within ${ms} ms`);
    await setTimeout(5);
  }
}

/** An executable that is called like Python with the trainer's package, and is the stepping trainer. */
async function steppingPython(folder: string): Promise<string> {
  const path = join(folder, 'python');
  await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' '${join(import.meta.dirname, 'stepping-trainer.mjs')}' "$@"\n`);
  await chmod(path, 0o755);
  return path;
}

export function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('FORGE_')));
}

/** Enough text files, unlike each other, that some are held out. */
export function smallProject(): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: 24 }, (_, number) => {
      const lines = Array.from({ length: 24 }, (_line, line) => `export const value${number}_${line} = ${number * 131 + line * 17}; // number ${line} of module ${number}`);
      return [`src/module-${number}.js`, `${lines.join('\n')}\n`];
    }),
  );
}
