import type { Ledger } from '../../core/store/ledger.ts';
import type { Task } from '../../core/task/state.ts';
import { hyperparametersOfTask } from '../../core/training/effective-batch.ts';
import { estimateMemory } from '../../core/training/memory-estimate.ts';
import { knownShape } from './base-shape.ts';

/** Bytes by estimate; `cpu` is undefined for what needs a GPU. */
export interface MemoryNeeds {
  gpu: number;
  cpu: number | undefined;
}

/** By a task's state, which never changes: the scheduler asks for each queued task, and clients for theirs again and again. */
const estimated = new WeakMap<object, MemoryNeeds>();

/** What training a job takes, as it would be trained next; undefined for other tasks, and where its base model's size is not known. */
export function memoryNeeds(task: Pick<Task, 'spec' | 'microBatch'>, ledger: Pick<Ledger, 'head'>): MemoryNeeds | undefined {
  const known = estimated.get(task);
  if (known !== undefined) return known;
  const hyperparameters = hyperparametersOfTask(task);
  if (task.spec.kind.case !== 'train' || hyperparameters === undefined) return undefined;
  const shape = knownShape(task.spec.kind.value, ledger);
  if (shape === undefined) return undefined;
  const needs = { gpu: estimateMemory(shape, hyperparameters, 'gpu')!, cpu: estimateMemory(shape, hyperparameters, 'cpu') };
  estimated.set(task, needs);
  return needs;
}
