import { isForgeError } from '../../core/errors.ts';
import type { PipelinePlanned } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { RetrainRequest } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { nestedTrainSpec } from '../../core/training/train-spec.ts';
import type { FoundProject } from '../projects/find.ts';
import { look, lookUnasked, type LookDeps } from './look.ts';
import { planPipeline, type Wish } from './plan.ts';
import { recordNo, startPipeline } from './start.ts';

/** What was decided, and what came of it. */
export type Considered =
  | { outcome: 'no'; reason: string; sequence: number; ages: boolean }
  /** Of a dry run. */
  | { outcome: 'planned'; reason: string; plan: PipelinePlanned }
  | { outcome: 'started'; reason: string; plan: PipelinePlanned; pipelineId: string; sequence: number }
  | { outcome: 'busy'; pipelineId: string };

export interface Question {
  project: FoundProject;
  /** Already checked. */
  request: Pick<RetrainRequest, 'autoDeploy' | 'force' | 'dryRun' | 'requireApproval' | 'policy' | 'training' | 'gate'>;
  trigger: Wish['trigger'];
  /** SHA-256 in hex; empty for none. */
  idempotencySha256: string;
  requestSha256: string;
}

/** Decides for a project, records the decision, and starts a pipeline where that is what it says. @throws ForgeError */
export async function consider({ project, request, trigger, ...keys }: Question, deps: LookDeps, signal: AbortSignal): Promise<Considered> {
  const { ledger } = deps;
  const { active } = ledger.head(projectAggregate, project.name).state;
  if (active !== undefined) return { outcome: 'busy', pipelineId: active.pipelineId };
  const seen = trigger === 'request' ? await look(project, request.policy, deps, signal) : await lookUnasked(project, deps, signal);
  const { retrain: due, reason } = seen.decision;
  if (!due && !request.force) {
    const sequence = request.dryRun ? 0 : await recordNo(ledger, project.name, { reason, metrics: seen.metrics, trigger });
    return { outcome: 'no', reason, sequence, ages: seen.ages };
  }
  const wish: Wish = {
    ...keys, trigger,
    reason: due ? reason : `forced: ${reason}`,
    autoDeploy: request.autoDeploy,
    requireApproval: request.requireApproval || (project.registration?.requireApproval ?? false),
    training: request.training === undefined ? undefined : nestedTrainSpec(request.training, 'training'),
    gate: request.gate,
  };
  const plan = planPipeline(project, seen, wish, ledger);
  if (request.dryRun) return { outcome: 'planned', reason: wish.reason, plan };
  try {
    return { outcome: 'started', reason: wish.reason, plan, ...(await startPipeline(ledger, plan)) };
  } catch (error) {
    const running = ledger.head(projectAggregate, project.name).state.active;
    if (!isForgeError(error, 'wrong_state') || running === undefined) throw error;
    return { outcome: 'busy', pipelineId: running.pipelineId };
  }
}
