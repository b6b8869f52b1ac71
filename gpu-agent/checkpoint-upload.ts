import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '../core/blobs/blob-store.ts';
import { putTree } from '../core/blobs/tree.ts';
import { faultPoint } from '../core/fault.ts';
import type { TaskContext } from '../core/worker/task-runner.ts';
import { linkTree } from './link-tree.ts';
import { need, numberOf, textOf, type TrainerEvent } from './trainer-events.ts';

/** Stores checkpoints and reports them, one at a time, while the training goes on. */
export interface CheckpointUpload {
  /** A newer checkpoint takes the place of one that waits: only the latest is worth resuming from. */
  add(event: TrainerEvent): void;
  /** @returns when nothing waits any more; rejects when the latest one could not be stored */
  settled(): Promise<void>;
}

interface Kept {
  number: number;
  event: TrainerEvent;
  /** Links to its files, since the trainer removes its older checkpoints while they are read. */
  dir: string;
}

export function createCheckpointUpload(blobs: BlobStore, context: Pick<TaskContext, 'workDir' | 'urgent' | 'checkpoint'>): CheckpointUpload {
  let waiting: Kept | undefined;
  let working: Promise<void> | undefined;
  let failure: { number: number; error: unknown } | undefined;
  let count = 0;

  async function store({ event, dir }: Kept): Promise<void> {
    faultPoint('agent.checkpoint.before');
    const digest = await putTree(blobs, dir);
    await context.checkpoint({
      step: need(numberOf(event, 'step'), 'step'),
      epoch: need(numberOf(event, 'epoch'), 'epoch'),
      loss: numberOf(event, 'loss'),
      digest,
      seconds: numberOf(event, 'seconds') ?? 0,
    });
    faultPoint('agent.checkpoint.after');
  }

  async function work(): Promise<void> {
    while (waiting !== undefined && !context.urgent.aborted) {
      const kept = waiting;
      waiting = undefined;
      try {
        await store(kept);
        if (failure !== undefined && failure.number < kept.number) failure = undefined;
      } catch (error) {
        if (failure === undefined || failure.number < kept.number) failure = { number: kept.number, error };
      }
      await drop(kept);
    }
  }

  return {
    add(event) {
      if (waiting !== undefined) void drop(waiting);
      waiting = undefined;
      const number = ++count;
      try {
        const dir = join(context.workDir, 'checkpoints-to-store', String(number));
        linkTree(need(textOf(event, 'path'), 'path'), dir);
        waiting = { number, event, dir };
      } catch (error) {
        failure = { number, error };
      }
      working ??= work().finally(() => (working = undefined));
    },
    async settled() {
      while (working !== undefined) await working;
      if (failure !== undefined) throw failure.error;
    },
  };
}

/** What can't be removed goes with the work folder. */
function drop({ dir }: Kept): Promise<void> {
  return rm(dir, { recursive: true, force: true }).catch(() => {});
}
