import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { isForgeError } from '../../core/errors.ts';
import { DecisionMadeSchema, type PipelinePlanned } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { ChangeMetrics } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { jobIdAt, withSuffix } from '../../core/training/names.ts';

export interface Started {
  pipelineId: string;
  /** That shows it. */
  sequence: number;
}

/** Ids that were given out here and that the fold may not show yet. */
const given = new Set<string>();

/**
 * Takes the project for a new pipeline, whose plan is thereby fixed, and makes the pipeline of it.
 * @throws ForgeError wrong_state when another one runs already
 */
export async function startPipeline(ledger: Ledger, plan: PipelinePlanned): Promise<Started> {
  return claim(ledger, plan, freeId(ledger, Date.now()));
}

async function claim(ledger: Ledger, plan: PipelinePlanned, pipelineId: string): Promise<Started> {
  const decision = create(DecisionMadeSchema, { retrain: true, reason: plan.reason, metrics: plan.metrics, trigger: plan.trigger, pipelineId });
  const { version } = await ledger.execute(projectAggregate, plan.project, { type: 'start-pipeline', pipelineId, plan, decision }, meta(`start:${pipelineId}`));
  // Whoever is told the id finds the pipeline: the driver does the same where this process dies in between.
  const planned = await planClaimed(ledger, plan, pipelineId);
  return { ...planned, sequence: Math.max(version, planned.sequence) };
}

/**
 * Makes the pipeline that a project has claimed; done again it finds it. Two guardians may have given one id to two
 * projects: the one that comes too late gives its claim up, and claims an id that follows from both.
 */
export async function planClaimed(ledger: Ledger, plan: PipelinePlanned, pipelineId: string): Promise<Started> {
  const { project } = plan;
  // Without the project the other one's command would look like a repeat of this.
  const { state, version } = await ledger.execute(pipelineAggregate, pipelineId, { type: 'plan', plan }, meta(`plan:${project}:${pipelineId}`)).catch((error: unknown) => {
    if (!isForgeError(error, 'already_exists')) throw error;
    return ledger.head(pipelineAggregate, pipelineId);
  });
  if (state.status !== 'none' && state.plan.project === project) return { pipelineId, sequence: version };
  await ledger.execute(projectAggregate, project, { type: 'end-pipeline', pipelineId, status: 'failed' }, meta(`taken:${pipelineId}`));
  return claim(ledger, plan, `${pipelineId}_${sha256Hex(`${project}:${pipelineId}`).slice(0, 10)}`);
}

/** Records a "no", where it says anything new. */
export async function recordNo(ledger: Ledger, project: string, no: { reason: string; metrics: ChangeMetrics | undefined; trigger: string }): Promise<number> {
  const decision = create(DecisionMadeSchema, { retrain: false, ...no });
  return (await ledger.execute(projectAggregate, project, { type: 'decide', decision }, meta(randomUUID()))).version;
}

function meta(commandId: string) {
  return { commandId, actor: 'guardian', time: Date.now() };
}

/** `agent_YYYYMMDD_HHMMSS`, with a random suffix only where that is taken. */
function freeId(ledger: Ledger, time: number): string {
  let id = jobIdAt(time, 'agent');
  const taken = (candidate: string): boolean =>
    given.has(candidate) || ledger.head(pipelineAggregate, candidate).state.status !== 'none' || [...ledger.all(projectAggregate)].some(([, { active, lastTry }]) => active?.pipelineId === candidate || lastTry?.pipelineId === candidate);
  while (taken(id)) id = withSuffix(jobIdAt(time, 'agent'));
  given.add(id);
  return id;
}
