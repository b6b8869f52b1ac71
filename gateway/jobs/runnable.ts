import { agentAggregate } from '../../core/agent/agent.ts';
import { invalid } from '../../core/errors.ts';
import { TaskKind, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { WorkerInfo } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { fits } from '../../core/training/placement.ts';
import type { Roster } from '../workers/roster.ts';

/** A gateway that has just started may not have heard the agent yet; woken ones answer at once. */
const hearMs = 800;

/**
 * Refuses a job for a pool or labels that no agent has which was ever heard here and was not removed: it would wait for
 * ever. One that is busy, cordoned or away counts.
 */
export function createRunnableCheck({ ledger, roster, wake }: { ledger: Ledger; roster: Roster; wake(): void }): (spec: TrainSpec) => Promise<void> {
  const trains = (id: string, info: WorkerInfo | undefined): info is WorkerInfo =>
    info !== undefined && info.slots.some((slot) => slot.kinds.includes(TaskKind.TRAIN)) && ledger.head(agentAggregate, id).state.status !== 'removed';

  return async ({ placement }) => {
    if (placement === undefined || (placement.pool === '' && Object.keys(placement.labels).length === 0)) return;
    if (await roster.hears((id, info) => trains(id, info) && fits(placement, info.labels), wake, hearMs)) return;
    const own = [...roster.workers()].filter(([id, { info }]) => trains(id, info)).map(([, { info }]) => info!.labels);
    const pools = [...new Set(own.map(({ pool }) => pool ?? ''))].map((pool) => pool || 'none').sort();
    const samePool = own.filter(({ pool }) => (pool ?? '') === placement.pool);
    if (samePool.length === 0) throw invalid('pool', `no agent is in ${placement.pool === '' ? 'no pool' : `"${placement.pool}"`}, so nobody could ever run it; pools: ${pools.join(', ') || 'no agent was heard'}`);
    throw invalid('labels', `no agent${placement.pool === '' ? '' : ` of pool "${placement.pool}"`} has all of them, so nobody could ever run it; GET /v1/agents shows what they have`);
  };
}
