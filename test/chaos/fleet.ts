import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { connectNats } from '../../core/nats.ts';
import { randomNumbers } from '../../core/random-numbers.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import type { BreakableRule } from '../support/broken-rules.ts';
import { readHistory } from '../support/check-stream.ts';
import { freePort, type TestNats } from '../support/nats.ts';
import { makeFolder, makeRepository } from '../support/repository.ts';
import { createServiceProcess, type ServiceProcess } from '../support/service-process.ts';
import { compileCache, smallProject, withoutSettings } from '../support/stack.ts';
import { startNatsServers } from './nats-servers.ts';
import { makeNamespace, type Namespace } from './namespace.ts';
import { agentNames, gatewayNames, smallDiskAgent } from './plan.ts';
import { startRelay, type Relay } from './relay.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

const root = join(import.meta.dirname, '../..');
const realPython = join(root, '.venv/bin/python');
/** Two cores full of work: whoever is only late is not to be lost. */
const times = { FORGE_BEAT_MS: '300', FORGE_FENCE_MS: '3000', FORGE_LOSS_MS: '6000' };

/** A service as a campaign strikes it. */
export interface Member {
  readonly process: ServiceProcess;
  /** Its only way to NATS. */
  readonly relay: Relay;
  /** Where it runs, of an agent where that may be. */
  readonly namespace: Namespace | undefined;
  /** Sets its wall clock so far ahead. */
  setClock(aheadMs: number): Promise<void>;
}

export interface Fleet {
  readonly members: ReadonlyMap<string, Member>;
  readonly servers: ReadonlyMap<string, TestNats>;
  /** Of the agent that has one; else why it has none. */
  readonly smallDisk: SmallDisk | string;
  /** Why the agents are not in network namespaces; undefined where they are. */
  readonly noNamespaces: string | undefined;
  /** Where the gateways listen. */
  readonly urls: readonly string[];
  readonly blobs: BlobStore;
  history(): Promise<StoredEnvelope[]>;
  logs(): string;
}

export interface FleetOptions {
  seed: number;
  cluster: boolean;
  /** Taken away from both gateways. */
  broken?: BreakableRule | undefined;
}

/** Two gateways, a guardian and three agents as real processes, each behind a relay of its own, each with its own data directory but for the blobs. */
export async function startFleet(t: Pick<Test, 'teardown'>, { seed, cluster, broken }: FleetOptions): Promise<Fleet> {
  const folder = await makeFolder(t);
  const repository = await makeRepository(t, smallProject(), join(folder, 'projects', 'toy'));
  const blobsDir = join(folder, 'blobs');
  for (const name of ['blobs', 'trainer']) await mkdir(join(folder, name));
  const nats = await startNatsServers(t, cluster);
  const random = randomNumbers(seed ^ 0xc10c);
  const python = await pythonForBoth(folder);
  const members = new Map<string, Member>();
  const urls: string[] = [];
  const smallDisk = await mountSmallDisk(join(folder, smallDiskAgent));
  if (typeof smallDisk !== 'string') t.teardown(() => smallDisk.unmount());

  async function add(name: string, main: readonly string[], settings: NodeJS.ProcessEnv = {}, namespace?: Namespace): Promise<Member> {
    const dataDir = join(folder, name);
    const clockFile = join(folder, `${name}.clock`);
    await mkdir(dataDir, { recursive: true });
    await symlink(blobsDir, join(dataDir, 'blobs'));
    await writeFile(clockFile, '0');
    const first = members.size % nats.length;
    const relay = await startRelay([...nats.slice(first), ...nats.slice(0, first)].map(({ port }) => port), random, namespace?.hostAddress);
    const process = createServiceProcess(name, ['--import', join(import.meta.dirname, 'shifted-clock.mjs'), ...main], {
      ...withoutSettings(globalThis.process.env),
      STEPPING_TRAINER_DIR: join(folder, 'trainer'),
      NODE_COMPILE_CACHE: compileCache,
      SHIFTED_CLOCK_FILE: clockFile,
      FORGE_DATA_DIR: dataDir,
      FORGE_WORKER_ID: name,
      FORGE_NATS_URL: relay.url,
      FORGE_NATS_REPLICAS: String(nats.length),
      FORGE_PROJECT_ROOTS: dirname(repository),
      FORGE_PYTHON: python,
      FORGE_THREADS: '1',
      FORGE_STARTER_SECONDS: '3',
      FORGE_WAIT_MS: '3000',
      // Nothing listens there: only training and evaluation matter here.
      FORGE_INFERENCE: 'http://127.0.0.1:9',
      OLLAMA_HOST: 'http://127.0.0.1:9',
      ...times,
      ...settings,
    }, namespace?.launch);
    t.teardown(() => relay.stop());
    t.teardown(() => process.stop());
    const member = { process, relay, namespace, setClock: (aheadMs: number) => writeFile(clockFile, String(aheadMs)) };
    members.set(name, member);
    return member;
  }

  const gatewayMain = broken === undefined ? [join(root, 'gateway/main.ts')] : [join(import.meta.dirname, 'broken-gateway.ts'), broken];
  for (const name of gatewayNames) {
    const port = await freePort();
    urls.push(`http://127.0.0.1:${port}`);
    await (await add(name, gatewayMain, { FORGE_PORT: String(port) })).process.ready();
  }
  const read = async <T>(use: (connection: Awaited<ReturnType<typeof connectNats>>) => Promise<T>): Promise<T> => {
    const connection = await connectNats(nats[0]!.url, 'campaign');
    try {
      return await use(connection);
    } finally {
      await connection.close();
    }
  };
  await add('guardian', [join(root, 'guardian/main.ts')]);
  let noNamespaces: string | undefined;
  for (const name of agentNames) {
    const namespace = await makeNamespace();
    if (typeof namespace === 'string') noNamespaces = namespace;
    else t.teardown(() => namespace.remove());
    await add(name, [join(root, 'gpu-agent/main.ts')], {}, typeof namespace === 'string' ? undefined : namespace);
  }
  await Promise.all([...members.values()].map(({ process }) => process.ready()));
  return {
    members, urls, smallDisk, noNamespaces,
    servers: new Map(nats.map((server, index) => [`nats-${index + 1}`, server])),
    blobs: createFileBlobStore(blobsDir),
    history: () => read(async (connection) => readHistory(await createJetStreamStore(connection))),
    logs: () => [...members].map(([name, { process }]) => `=== ${name}\n${process.log}`).join('\n'),
  };
}

/** Called like Python: trainings of the base model `toy/base` go to the stepping trainer, all others to the real one. */
async function pythonForBoth(folder: string): Promise<string> {
  const path = join(folder, 'python');
  const scripted = join(root, 'test/support/stepping-trainer.mjs');
  const lines = [
    '#!/bin/sh',
    `if [ "$4" != starter ] && grep -q '"base_model": "toy/base"' "$6"; then exec '${process.execPath}' '${scripted}' "$@"; fi`,
    `exec '${realPython}' "$@"`,
  ];
  await writeFile(path, `${lines.join('\n')}\n`);
  await chmod(path, 0o755);
  return path;
}
