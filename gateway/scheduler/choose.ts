import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Task, TaskState } from '../../core/task/state.ts';

/** Finds the state of the task that another one waits for. */
export type Lookup = (taskId: string) => TaskState;

/** Whether a task can run now: it is queued, and what it waits for is completed. */
export function isReady(task: Task, lookup: Lookup): boolean {
  return task.status === 'queued' && (task.after === '' || lookup(task.after).status === 'completed');
}

/**
 * What a free slot should try, best first. Pure. Fair between projects: the project with fewest running tasks of these
 * kinds comes first; within a project the oldest task.
 */
export function choose(tasks: Iterable<Task>, kinds: readonly TaskKind[], lookup: Lookup): Task[] {
  const wanted = new Set(kinds);
  const running = new Map<string, number>();
  const ready: Task[] = [];
  for (const task of tasks) {
    if (!wanted.has(task.kind)) continue;
    if (task.status === 'running') running.set(task.project, (running.get(task.project) ?? 0) + 1);
    else if (isReady(task, lookup)) ready.push(task);
  }
  const load = (task: Task): number => running.get(task.project) ?? 0;
  return ready.sort((a, b) => load(a) - load(b) || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
}
