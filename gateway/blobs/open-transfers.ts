import type { ServerResponse } from 'node:http';
import type { PartialUploads } from '../../core/blobs/partial-uploads.ts';
import type { Logger } from '../../core/logger.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { AttemptRef } from '../../core/worker/task-runner.ts';

export interface OpenTransfers {
  add(ref: AttemptRef, response: ServerResponse): void;
  /** It begins an upload, or goes on with one. */
  uploads(ref: AttemptRef): void;
}

/**
 * Cuts what attempts transfer when they end, and removes what they had uploaded of blobs: a token is dead with its attempt,
 * for what is under way too, and nobody else can go on with it. What was begun in another life of this gateway goes with
 * what else is left of uploads.
 */
export function createOpenTransfers({ ledger, parts, logger }: { ledger: Pick<Ledger, 'onApplied'>; parts: Pick<PartialUploads, 'drop'>; logger: Logger }): OpenTransfers {
  const open = new Map<string, Map<ServerResponse, number>>();
  const uploading = new Map<string, Set<number>>();
  ledger.onApplied(({ stored, head }) => {
    if (stored.aggregate !== taskAggregate.name) return;
    const state = head.state as TaskState;
    for (const [response, attempt] of open.get(stored.id) ?? []) if (!runs(state, attempt)) response.destroy();
    for (const attempt of uploading.get(stored.id) ?? []) if (!runs(state, attempt)) ended({ taskId: stored.id, attempt });
  });

  function ended(ref: AttemptRef): void {
    const attempts = uploading.get(ref.taskId)!;
    attempts.delete(ref.attempt);
    if (attempts.size === 0) uploading.delete(ref.taskId);
    parts.drop(ownerOf(ref)).catch((error: unknown) => logger.warn('what an attempt had uploaded could not be removed yet', { ...ref, error }));
  }

  return {
    add({ taskId, attempt }, response) {
      // Its client has gone while its token was looked at, and nobody would hear of that any more.
      if (response.destroyed) return;
      const ofTask = open.get(taskId) ?? new Map<ServerResponse, number>();
      open.set(taskId, ofTask.set(response, attempt));
      response.once('close', () => {
        ofTask.delete(response);
        if (ofTask.size === 0 && open.get(taskId) === ofTask) open.delete(taskId);
      });
    },
    uploads({ taskId, attempt }) {
      uploading.set(taskId, (uploading.get(taskId) ?? new Set()).add(attempt));
    },
  };
}

/** As whose an attempt's uploads are kept. */
export function ownerOf({ taskId, attempt }: AttemptRef): string {
  return `attempt ${taskId} ${attempt}`;
}

export function runs(task: TaskState, attempt: number): task is Extract<TaskState, { status: 'running' }> {
  return task.status === 'running' && task.attempt.number === attempt;
}
