import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { readTree } from '../../core/blobs/tree.ts';
import { ForgeError, isForgeError } from '../../core/errors.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { isForgotten } from '../../core/project/forgotten.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { resultPurpose } from '../files/purpose.ts';
import type { FileView } from '../files/stored-file.ts';

const prefix = 'file-results-';
/** Sizes that are kept, so that a list need not read every job's metrics again. */
const maxSizes = 10_000;

/** Columns of OpenAI's results file, then what is measured beside. What was not measured stays empty. */
const columns = {
  step: 'step',
  train_loss: 'loss',
  train_accuracy: undefined,
  valid_loss: 'valid_loss',
  valid_mean_token_accuracy: undefined,
  epoch: 'epoch',
  learning_rate: 'learning_rate',
  grad_norm: 'grad_norm',
  tokens_per_second: 'tokens_per_second',
  tokens_seen: 'tokens_seen',
} as const;

/** The metrics of finished trainings as files: made of what lies beside each adapter, whenever they are read. */
export interface ResultFiles {
  /** @returns ids of a job's files: none before it is trained */
  of(job: TaskState): string[];
  list(): { id: string; createdAt: number; purpose: string; view(): Promise<FileView | undefined> }[];
  /** @returns undefined where the id is no job's */
  get(id: string): Promise<FileView | undefined>;
  /** CSV. @throws ForgeError not_found */
  read(id: string): AsyncIterable<Uint8Array>;
}

export function createResultFiles({ ledger, blobs }: { ledger: Ledger; blobs: BlobStore }): ResultFiles {
  const sizes = new Map<string, number>();

  const adapterOf = (task: TaskState): string | undefined =>
    task.status === 'completed' && task.kind === TaskKind.TRAIN && task.result.kind.case === 'train' && !isForgotten(ledger, task) ? task.result.kind.value.adapterDigest : undefined;

  async function* csv(adapterDigest: string): AsyncGenerator<Uint8Array> {
    const file = (await readTree(blobs, adapterDigest)).files.find(({ path }) => path === 'metrics.jsonl');
    if (file === undefined) throw new ForgeError('not_found', 'file_id: this training left no metrics', { field: 'file_id' });
    yield Buffer.from(`${Object.keys(columns).join(',')}\n`);
    for await (const line of createInterface({ input: Readable.from(blobs.read(file.digest)), crlfDelay: Infinity })) {
      if (line !== '') yield Buffer.from(csvLine(JSON.parse(line) as Record<string, unknown>));
    }
  }

  async function sizeOf(adapterDigest: string): Promise<number> {
    let size = sizes.get(adapterDigest);
    if (size !== undefined) return size;
    size = 0;
    for await (const chunk of csv(adapterDigest)) size += chunk.length;
    if (sizes.size >= maxSizes) sizes.delete(sizes.keys().next().value!);
    sizes.set(adapterDigest, size);
    return size;
  }

  /** @returns undefined where it left no metrics, or they were removed */
  const view = async (jobId: string, adapterDigest: string, createdAt: number): Promise<FileView | undefined> => {
    try {
      return { id: `${prefix}${jobId}`, createdAt, filename: `${jobId}_metrics.csv`, purpose: resultPurpose, bytes: await sizeOf(adapterDigest) };
    } catch (error) {
      if (isForgeError(error, 'not_found')) return undefined;
      throw error;
    }
  };

  const find = async (id: string): Promise<{ jobId: string; adapter: string; createdAt: number } | undefined> => {
    if (!id.startsWith(prefix)) return undefined;
    const jobId = id.slice(prefix.length);
    const { state } = await ledger.find(taskAggregate, jobId);
    const adapter = adapterOf(state);
    return adapter === undefined || state.status === 'none' ? undefined : { jobId, adapter, createdAt: state.updatedAt };
  };

  return {
    of: (job) => (job.status !== 'none' && adapterOf(job) !== undefined ? [`${prefix}${job.id}`] : []),
    list() {
      const files = [];
      for (const [id, task] of ledger.all(taskAggregate)) {
        const adapter = adapterOf(task);
        if (adapter !== undefined && task.status !== 'none') files.push({ id: `${prefix}${id}`, createdAt: task.updatedAt, purpose: resultPurpose, view: () => view(id, adapter, task.updatedAt) });
      }
      return files;
    },
    async get(id) {
      const found = await find(id);
      return found && view(found.jobId, found.adapter, found.createdAt);
    },
    async *read(id) {
      const found = await find(id);
      if (found === undefined) throw new ForgeError('not_found', `file_id: there is no file "${id.slice(0, 100)}"`, { field: 'file_id' });
      yield* csv(found.adapter);
    },
  };
}

/** An evaluation's loss is that of the held-out examples. */
function csvLine(record: Record<string, unknown>): string {
  const values = record['type'] === 'evaluation' ? { step: record['step'], epoch: record['epoch'], valid_loss: record['loss'] } : record;
  const cell = (name: string | undefined): string => {
    const value = name === undefined ? undefined : (values as Record<string, unknown>)[name];
    return typeof value === 'number' ? String(value) : '';
  };
  return `${Object.values(columns).map(cell).join(',')}\n`;
}
