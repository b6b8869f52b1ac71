import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import type { Test } from 'tap';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { createBlobGateway } from '../../core/blobs/http/http-blob-store.ts';
import { createPartialUploads, type PartialUploads } from '../../core/blobs/partial-uploads.ts';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { attemptToken, hashSecret, newSecret } from '../../core/worker/attempt-token.ts';
import { blobsPath, createBlobHandler } from '../../gateway/blobs/handler.ts';
import { createPort } from '../../gateway/port.ts';
import { makeFolder } from './repository.ts';

export interface BlobGatewayScene {
  url: string;
  /** Where the gateway's blobs lie. */
  root: string;
  ledger: Ledger;
  /** Starts an attempt of a new task. @returns its token, and how to end it */
  attempt(taskId: string): Promise<{ token: string; lose(): Promise<void> }>;
  /** The gateway's blobs as another host sees them that has none yet. @param cacheBytes what it keeps */
  elsewhere(options?: { credential?: string; cacheBytes?: number; patienceMs?: number; signal?: AbortSignal }): Promise<{ store: BlobStore; cache: string }>;
}

/**
 * A port that serves blobs and nothing else, over a fold of tasks in memory.
 * @param options `stale`: the fold has nothing yet of what is in the stream; `parts`: what of uploads is to fail
 */
export async function blobGateway(t: Pick<Test, 'teardown'>, options: { maxBytes?: number; stale?: boolean; parts?: Partial<PartialUploads> } = {}): Promise<BlobGatewayScene> {
  const root = await makeFolder(t);
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [taskAggregate] as never, logger: silentLogger });
  await ledger.start();
  // As a gateway is whose fold has nothing yet of what another one appended.
  const seen = options.stale === true ? { head: () => ({ state: taskAggregate.initialState }), refresh: ledger.refresh.bind(ledger), onApplied: ledger.onApplied.bind(ledger) } : ledger;
  const handler = createBlobHandler({ ledger: seen as Ledger, blobs: createFileBlobStore(root), parts: { ...createPartialUploads(root), ...options.parts }, maxBytes: options.maxBytes ?? 1 << 30, logger: silentLogger });
  const port = createPort({ routes: [], raw: [handler], websocket: (_request, socket) => void socket.destroy(), uploads: (path) => path.startsWith(blobsPath), logger: silentLogger });
  const { port: number } = await port.listen('127.0.0.1', 0);
  const url = `http://127.0.0.1:${number}`;
  t.teardown(async () => {
    await port.stop();
    await ledger.stop();
  });
  const meta = () => ({ commandId: randomUUID(), actor: 'test', time: Date.now() });
  return {
    url, root, ledger,
    async attempt(taskId) {
      const secret = newSecret();
      const spec = create(TaskSpecSchema, { kind: { case: 'export', value: { jobId: 'job_1' } } });
      await ledger.execute(taskAggregate, taskId, { type: 'queue', kind: TaskKind.EXPORT, project: 'p', spec, after: '', maxAttempts: 2 }, meta());
      await ledger.execute(taskAggregate, taskId, { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: 'a', secretSha256: hashSecret(secret) }, meta());
      return {
        token: attemptToken({ taskId, attempt: 1 }, secret),
        lose: async () => void (await ledger.execute(taskAggregate, taskId, { type: 'lose', attempt: 1, reason: 'silent' }, meta())),
      };
    },
    async elsewhere({ credential = '', cacheBytes = 1 << 30, patienceMs = 5_000, signal } = {}) {
      const cache = await makeFolder(t);
      const gateway = createBlobGateway({ url, cacheRoot: cache, cacheMaxBytes: cacheBytes });
      t.teardown(() => gateway.close());
      return { store: gateway.as(credential, { patienceMs, signal }), cache };
    },
  };
}
