import { attemptKey, type AttemptRef } from '../../core/worker/task-runner.ts';
import type { Child } from './child.ts';

/** Which child runs which attempt, for the fence, which knows attempts only. */
export interface Children {
  /** A child that starts while its attempt is fenced is stopped at once. @returns the way to take it out */
  add(ref: AttemptRef, child: Child): () => void;
  fence(ref: AttemptRef): void;
  release(ref: AttemptRef): void;
}

export function createChildren(): Children {
  const children = new Map<string, Child>();
  const fenced = new Set<string>();
  return {
    add(ref, child) {
      const key = attemptKey(ref);
      children.set(key, child);
      if (fenced.has(key)) child.stop();
      return () => {
        children.delete(key);
        fenced.delete(key);
      };
    },
    fence(ref) {
      fenced.add(attemptKey(ref));
      children.get(attemptKey(ref))?.stop();
    },
    release(ref) {
      fenced.delete(attemptKey(ref));
      children.get(attemptKey(ref))?.continue();
    },
  };
}
