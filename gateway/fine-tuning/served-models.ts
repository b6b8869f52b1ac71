import type { Task } from '../../core/task/state.ts';
import type { InferenceBackend } from '../inference/backend.ts';

/** Whether and under which names the models of jobs answer. */
export interface ServedModels {
  /** Whether models can be put into the backend at all. */
  canDeploy(): boolean;
  /** The name that a job's own model answers to; undefined while it does not. */
  nameOf(job: Pick<Task, 'project' | 'id'>): string | undefined;
  /** Whether a name is that of a model that was made here. */
  has(name: string): boolean;
}

/** @param models of the present backend; a server that is not ours takes any name for one of its own */
export function createServedModels(deps: { backend: Pick<InferenceBackend, 'kind'>; models: { resolve(name: string): unknown } }): ServedModels {
  const { backend, models } = deps;
  const canDeploy = (): boolean => backend.kind !== 'upstream';
  const has = (name: string): boolean => canDeploy() && models.resolve(name) !== undefined;
  return {
    canDeploy,
    has,
    nameOf({ project, id }) {
      const name = `${project}:${id}`;
      return has(name) ? name : undefined;
    },
  };
}
