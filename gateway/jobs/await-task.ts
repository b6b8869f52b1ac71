import { once } from 'node:events';
import { ForgeError } from '../../core/errors.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { isTerminal, type Task, type TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';

/**
 * Resolves when the task has ended.
 * @throws ForgeError still_running when `waitMs` passed first; cancelled when the client went away (the task goes on)
 */
export async function awaitTask(ledger: Ledger, taskId: string, waitMs: number, signal: AbortSignal): Promise<Task> {
  const deadline = AbortSignal.timeout(waitMs);
  const ends = AbortSignal.any([deadline, signal]);
  const events = new EventTarget();
  const stop = ledger.onApplied(({ stored }) => {
    if (stored.aggregate === taskAggregate.name && stored.id === taskId) events.dispatchEvent(new Event('changed'));
  });
  try {
    for (;;) {
      const state: TaskState = ledger.head(taskAggregate, taskId).state;
      if (isTerminal(state)) return state as Task;
      await once(events, 'changed', { signal: ends });
    }
  } catch (error) {
    if (signal.aborted) throw new ForgeError('cancelled', 'the client went away; the work goes on', { cause: error });
    if (!deadline.aborted) throw error;
    throw new ForgeError('still_running', `${taskId} is still running after ${Math.round(waitMs / 1000)} s: send the same request again to wait for it, or look at /status/${taskId.split('.')[0]}`);
  } finally {
    stop();
  }
}
