import type { Trace } from '../aggregate.ts';
import type { TaskKind } from '../gen/aiforge/v1/task_pb.ts';
import type { TaskState } from './state.ts';

/** When tasks of a kind had a project's last turn is kept under it. */
export function turnKey(kind: TaskKind, project: string): string {
  return `${kind} ${project}`;
}

/** Projects take turns (gateway/scheduler/choose.ts), and a turn counts when its task is over too. */
export function turnOf(task: TaskState): Trace | undefined {
  return task.status === 'none' || task.startedSequence === 0 ? undefined : { key: turnKey(task.kind, task.project), value: task.startedSequence };
}
