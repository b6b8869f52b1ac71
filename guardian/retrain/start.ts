import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { ForgeError } from '../../core/errors.ts';
import { DecisionMadeSchema, type PipelinePlanned } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { ChangeMetrics } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { jobIdAt, withSuffix } from '../../core/training/names.ts';

/** Ids that were given out here and that the fold may not show yet. */
const given = new Set<string>();

/**
 * Takes the project for a new pipeline, whose plan is thereby fixed; the driver makes the pipeline of it.
 * @returns id of the pipeline, and the sequence that shows it
 * @throws ForgeError wrong_state when another one runs already
 */
export async function startPipeline(ledger: Ledger, plan: PipelinePlanned): Promise<{ pipelineId: string; sequence: number }> {
  const pipelineId = freeId(ledger, Date.now());
  const decision = create(DecisionMadeSchema, { retrain: true, reason: plan.reason, metrics: plan.metrics, trigger: plan.trigger, pipelineId });
  const meta = { commandId: `start:${pipelineId}`, actor: 'guardian', time: Date.now() };
  const { version } = await ledger.execute(projectAggregate, plan.project, { type: 'start-pipeline', pipelineId, plan, decision }, meta);
  // Whoever is told the id finds the pipeline: the driver does the same where this process dies in between.
  const planned = await ledger.execute(pipelineAggregate, pipelineId, { type: 'plan', plan }, { ...meta, commandId: `plan:${pipelineId}` }).catch((error: unknown) => {
    if (error instanceof ForgeError && error.code === 'already_exists') return { version };
    throw error;
  });
  return { pipelineId, sequence: Math.max(version, planned.version) };
}

/** Records a "no", where it says anything new. */
export async function recordNo(ledger: Ledger, project: string, no: { reason: string; metrics: ChangeMetrics | undefined; trigger: string }): Promise<number> {
  const decision = create(DecisionMadeSchema, { retrain: false, ...no });
  return (await ledger.execute(projectAggregate, project, { type: 'decide', decision }, { commandId: randomUUID(), actor: 'guardian', time: Date.now() })).version;
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
