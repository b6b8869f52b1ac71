import type { ServerResponse } from 'node:http';
import type { Ledger } from '../../core/store/ledger.ts';
import type { TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { AttemptRef } from '../../core/worker/task-runner.ts';

export interface OpenTransfers {
  add(ref: AttemptRef, response: ServerResponse): void;
}

/** Cuts what attempts transfer when they end: a token is dead with its attempt, for what is under way too. */
export function createOpenTransfers(ledger: Pick<Ledger, 'onApplied'>): OpenTransfers {
  const open = new Map<string, Map<ServerResponse, number>>();
  ledger.onApplied(({ stored, head }) => {
    if (stored.aggregate !== taskAggregate.name) return;
    for (const [response, attempt] of open.get(stored.id) ?? []) if (!runs(head.state as TaskState, attempt)) response.destroy();
  });
  return {
    add({ taskId, attempt }, response) {
      const ofTask = open.get(taskId) ?? new Map<ServerResponse, number>();
      open.set(taskId, ofTask.set(response, attempt));
      response.once('close', () => {
        ofTask.delete(response);
        if (ofTask.size === 0 && open.get(taskId) === ofTask) open.delete(taskId);
      });
    },
  };
}

export function runs(task: TaskState, attempt: number): task is Extract<TaskState, { status: 'running' }> {
  return task.status === 'running' && task.attempt.number === attempt;
}
