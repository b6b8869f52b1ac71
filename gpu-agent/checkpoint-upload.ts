import type { BlobStore } from '../core/blobs/blob-store.ts';
import { putTree } from '../core/blobs/tree.ts';
import { faultPoint } from '../core/fault.ts';
import type { TaskContext } from '../core/worker/task-runner.ts';
import { need, numberOf, textOf, type TrainerEvent } from './trainer-events.ts';

/** Stores checkpoints and reports them, one at a time, while the training goes on. */
export interface CheckpointUpload {
  /** A newer checkpoint takes the place of one that waits: only the latest is worth resuming from. */
  add(event: TrainerEvent): void;
  /** @returns when nothing waits any more; rejects when one could not be stored */
  settled(): Promise<void>;
}

export function createCheckpointUpload(blobs: BlobStore, context: TaskContext): CheckpointUpload {
  let waiting: TrainerEvent | undefined;
  let working: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;

  async function work(): Promise<void> {
    while (waiting !== undefined && !context.urgent.aborted) {
      const event = waiting;
      waiting = undefined;
      faultPoint('agent.checkpoint.before');
      const digest = await putTree(blobs, need(textOf(event, 'path'), 'path'));
      await context.checkpoint({
        step: need(numberOf(event, 'step'), 'step'),
        epoch: need(numberOf(event, 'epoch'), 'epoch'),
        loss: numberOf(event, 'loss'),
        digest,
        seconds: numberOf(event, 'seconds') ?? 0,
      });
      faultPoint('agent.checkpoint.after');
    }
  }

  return {
    add(event) {
      waiting = event;
      working ??= work()
        .catch((error: unknown) => void (failure = { error }))
        .finally(() => (working = undefined));
    },
    async settled() {
      while (working !== undefined) await working;
      if (failure !== undefined) throw failure.error;
    },
  };
}
