import { isOver, type PipelineState } from '../pipeline/state.ts';
import type { Ledger } from '../store/ledger.ts';
import { isTerminal, type TaskState } from '../task/state.ts';
import { projectAggregate } from './project.ts';

/**
 * Whether a task or pipeline had ended when its project was deleted last: what it left goes. What ended later is newer
 * work under the same name, which stays.
 */
export function isForgotten(ledger: Pick<Ledger, 'head'>, work: TaskState | PipelineState): boolean {
  if (work.status === 'none') return false;
  const [project, ended] = 'plan' in work ? [work.plan.project, isOver(work)] : [work.project, isTerminal(work)];
  return ended && work.updatedAt <= ledger.head(projectAggregate, project).state.forgottenAt;
}
