import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import type { NatsConnection } from '@nats-io/transport-node';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { dataPaths } from '../../core/config.ts';
import { connectNats } from '../../core/nats.ts';
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
  /** Starts one more agent, another worker on the same host. Resolves when it is ready. */
  anotherAgent(workerId: string): Promise<ServiceProcess>;
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
  /** Instead of gateway/main.ts, with its arguments. */
  gatewayMain?: readonly string[];
}

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
  const nats = await startNats(t);
  const port = await freePort();
  const dataDir = join(folder, 'data');
  const env = {
    ...withoutSettings(process.env),
    STEPPING_TRAINER_DIR: trainerDir,
    NODE_COMPILE_CACHE: compileCache,
    FORGE_PORT: String(port),
    FORGE_DATA_DIR: dataDir,
    FORGE_PROJECT_ROOTS: dirname(repository),
    FORGE_NATS_URL: nats.url,
    FORGE_PYTHON: options.python ?? (await steppingPython(folder)),
    FORGE_BEAT_MS: '100',
    FORGE_FENCE_MS: '600',
    FORGE_LOSS_MS: '1500',
    // Nothing listens there: only training matters here.
    FORGE_INFERENCE: 'http://127.0.0.1:9',
    OLLAMA_HOST: 'http://127.0.0.1:9',
    ...options.env,
  };
  const instead: Partial<Record<string, readonly string[]>> = { gateway: options.gatewayMain, guardian: options.guardianMain === undefined ? undefined : [options.guardianMain] };
  const services = (['gateway', 'guardian', 'gpu-agent'] as const).map((name) => createServiceProcess(name, instead[name] ?? [join(root, name, 'main.ts')], env));
  const [gateway, guardian, agent] = services as [ServiceProcess, ServiceProcess, ServiceProcess];
  t.teardown(() => Promise.all(services.map((service) => service.stop())));
  const connection = await connectNats(nats.url, 'fault-test');
  t.teardown(() => connection.close());
  await Promise.all(services.map((service) => service.ready()));
  return {
    nats, gateway, guardian, agent, dataDir, trainerDir, repository, connection,
    url: `http://127.0.0.1:${port}`,
    blobs: createFileBlobStore(dataPaths(dataDir).blobs),
    async history() {
      const reader = await connectNats(nats.url, 'history');
      try {
        return await readHistory(await createJetStreamStore(reader));
      } finally {
        await reader.close();
      }
    },
    async anotherAgent(workerId) {
      const another = createServiceProcess(workerId, [join(root, 'gpu-agent', 'main.ts')], { ...env, FORGE_WORKER_ID: workerId });
      services.push(another);
      await another.ready();
      return another;
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
