import { Quantization, TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Task, TaskState } from '../../core/task/state.ts';
import { turnKey } from '../../core/task/turn.ts';
import { fits } from '../../core/training/placement.ts';
import { placementOfTask, urgencyOf } from './placement.ts';

/** Finds the state of the task that another one waits for. */
export type Lookup = (taskId: string) => TaskState;

/** The free slot that asks, and what else there is. */
export interface Offer {
  kinds: readonly TaskKind[];
  /** Whether the slot is a GPU's. */
  gpu: boolean;
  /** Whether any worker that was heard lately has one. */
  fleetHasGpu: boolean;
  /** Of the host that asks; `pool` names its pool. */
  labels: Readonly<Record<string, string>>;
  /** Of the slot's GPU, or of the host where it has none; absent where the worker did not say. Bytes. */
  memoryBytes?: number | undefined;
  /** The most memory that a task takes in this slot, by estimate; undefined where that is not known. Bytes. */
  needs?: (task: Task) => number | undefined;
  /** The worker that asks. */
  workerId?: string;
  /** Whether another worker that is given work takes tasks of these kinds. */
  others?: boolean;
}

/** Where these run is the project's own business: the guardian has the repositories, a gateway the backend. */
const unplaced: readonly TaskKind[] = [TaskKind.EXTRACT, TaskKind.DEPLOY];

const maxBackOffMs = 60_000;
/** So long a task whose disk was full waits for another host, where there is one; that may be too busy, or not fit. */
const elsewhereMs = 5 * 60_000;

/** When a task may be tried again: at once after one failure, then later and later. Unix milliseconds. */
export function readyAt({ failures, failedAt }: Task): number {
  return failures <= 1 ? 0 : failedAt + Math.min(maxBackOffMs, 1_000 * 2 ** (failures - 2));
}

/** Whether a task can run now: it is queued, what it waits for is completed, and its back-off is over. */
export function isReady(task: Task, lookup: Lookup, now: number): boolean {
  return task.status === 'queued' && (task.after === '' || lookup(task.after).status === 'completed') && backOffIsOver(task, now);
}

/** A wait longer than any back-off was noted by a clock that was ahead: it would hold the task up for nothing. */
function backOffIsOver(task: Task, now: number): boolean {
  const left = readyAt(task) - now;
  return left <= 0 || left > maxBackOffMs;
}

/**
 * What a free slot should try, best first. Pure. The most urgent first (see urgencyOf); among equally urgent ones it is
 * fair between projects: first the project with the fewest running tasks of these kinds, then the one whose last turn is the longest ago, so that a long queue holds up nobody on a single
 * slot; within a project the oldest task. Before and after are the stream's: by the clock a task made by a gateway whose own was ahead would come last until that time. Only what may run on this host and is not estimated to need more memory than
 * it has; work for a GPU is left to the GPUs where there are any.
 * @param tasks those that are over may be left out
 * @param now Unix milliseconds
 * @param pastTurns sequence at which tasks that are over started last, by kind and project (see turnOf)
 */
export function choose(tasks: Iterable<Task>, offer: Offer, lookup: Lookup, now: number, pastTurns: ReadonlyMap<string, number>): Task[] {
  const wanted = new Set(offer.kinds);
  const running = new Map<string, number>();
  const lastTurns = new Map<string, number>();
  const urgency = new Map<Task, number>();
  for (const task of tasks) {
    if (!wanted.has(task.kind)) continue;
    lastTurns.set(task.project, Math.max(lastTurns.get(task.project) ?? 0, task.startedSequence));
    if (task.status === 'running') running.set(task.project, (running.get(task.project) ?? 0) + 1);
    else if (isReady(task, lookup, now) && (offer.gpu || !offer.fleetHasGpu || !wantsGpu(task))) {
      const placement = placementOfTask(task, lookup);
      if (unplaced.includes(task.kind) || (fits(placement, offer.labels) && hasRoom(task, offer) && !isBetterElsewhere(task, offer, now))) urgency.set(task, urgencyOf(task, placement, now));
    }
  }
  for (const [project, at] of lastTurns) lastTurns.set(project, Math.max(at, ...offer.kinds.map((kind) => pastTurns.get(turnKey(kind, project)) ?? 0)));
  const of = (counts: Map<string, number>, task: Task): number => counts.get(task.project) ?? 0;
  return [...urgency.keys()].sort((a, b) => urgency.get(b)! - urgency.get(a)! || of(running, a) - of(running, b) || of(lastTurns, a) - of(lastTurns, b) || a.queuedSequence - b.queuedSequence);
}

/** What is not known keeps nobody from trying. */
function hasRoom(task: Task, { memoryBytes, needs }: Offer): boolean {
  const needed = memoryBytes === undefined ? undefined : needs?.(task);
  return needed === undefined || needed <= memoryBytes!;
}

function isBetterElsewhere({ ended, failedAt }: Task, { workerId, others }: Offer, now: number): boolean {
  const last = ended.at(-1);
  return others === true && last?.code === 'disk_full' && last.workerId === workerId && now < failedAt + elsewhereMs;
}

/** Quantized training runs on CUDA alone; any base model but the built-in one is too large for a CPU to be a good place. */
export function wantsGpu({ spec }: Pick<Task, 'spec'>): boolean {
  if (spec.kind.case !== 'train') return false;
  const { hyperparameters, baseModel } = spec.kind.value;
  const quantized = hyperparameters?.quantization === Quantization.QUANTIZATION_4BIT || hyperparameters?.quantization === Quantization.QUANTIZATION_8BIT;
  return quantized || baseModel !== 'ai-forge/starter';
}
