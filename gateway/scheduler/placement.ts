import { Priority, TaskKind, type Placement } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Task } from '../../core/task/state.ts';
import type { Lookup } from './choose.ts';

/** Waited so long, a task counts as one priority higher, and again after as long: low does not starve. */
export const agingMs = 30 * 60_000;

/** What a job asks for goes for what follows from it too, `<job id>.<kind>`. */
export function placementOfTask(task: Task, lookup: Lookup): Placement | undefined {
  const job = task.kind === TaskKind.TRAIN ? task : lookup(task.id.slice(0, Math.max(0, task.id.lastIndexOf('.'))));
  return job.status !== 'none' && job.spec.kind.case === 'train' ? job.spec.kind.value.placement : undefined;
}

/**
 * How urgent a task is; the higher goes first. Its priority (low 0, normal 1, high 2), and one more for each `agingMs`
 * since it was made: after three of them it comes before whatever is new.
 * @param now Unix milliseconds
 */
export function urgencyOf({ createdAt }: Task, placement: Placement | undefined, now: number): number {
  const priority = placement?.priority ?? Priority.UNSPECIFIED;
  const base = priority === Priority.HIGH ? 2 : priority === Priority.LOW ? 0 : 1;
  return base + Math.max(0, Math.floor((now - createdAt) / agingMs));
}
