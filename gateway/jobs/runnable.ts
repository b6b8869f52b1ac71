import { agentAggregate } from '../../core/agent/agent.ts';
import { invalid } from '../../core/errors.ts';
import { TaskKind, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { WorkerInfo } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { fits } from '../../core/training/placement.ts';
import type { Roster } from '../workers/roster.ts';
import { checkMemory } from './runnable-memory.ts';

/** A gateway that has just started may not have heard the agent yet; woken ones answer at once. */
const hearMs = 800;

/** @param field what the request calls its base model. @throws ForgeError invalid_argument */
export type RunnableCheck = (spec: TrainSpec, field?: string) => Promise<void>;

/**
 * Refuses a job that no agent could run that was ever heard here and was not removed: it would wait for ever. One that
 * is busy, cordoned or away counts. What it asks for is a pool and labels, and the memory that it is estimated to take;
 * where no agent was heard at all, nothing is known of memory.
 */
export function createRunnableCheck({ ledger, roster, wake }: { ledger: Ledger; roster: Roster; wake(): void }): RunnableCheck {
  const trains = (id: string, info: WorkerInfo | undefined): info is WorkerInfo =>
    info !== undefined && info.slots.some((slot) => slot.kinds.includes(TaskKind.TRAIN)) && ledger.head(agentAggregate, id).state.status !== 'removed';

  return async (spec, field = 'base_model') => {
    await checkPlacement(spec);
    const placed = (id: string, info: WorkerInfo | undefined): info is WorkerInfo => trains(id, info) && fits(spec.placement, info.labels);
    await checkMemory({ spec, field, ledger, placed, hears: (enough) => roster.hears(enough, wake, hearMs), workers: roster.workers() });
  };

  async function checkPlacement({ placement }: TrainSpec): Promise<void> {
    if (placement === undefined || (placement.pool === '' && Object.keys(placement.labels).length === 0)) return;
    if (await roster.hears((id, info) => trains(id, info) && fits(placement, info.labels), wake, hearMs)) return;
    const own = [...roster.workers()].filter(([id, { info }]) => trains(id, info)).map(([, { info }]) => info!.labels);
    const pools = [...new Set(own.map(({ pool }) => pool ?? ''))].map((pool) => pool || 'none').sort();
    const samePool = own.filter(({ pool }) => (pool ?? '') === placement.pool);
    if (samePool.length === 0) throw invalid('pool', `no agent is in ${placement.pool === '' ? 'no pool' : `"${placement.pool}"`}, so nobody could ever run it; pools: ${pools.join(', ') || 'no agent was heard'}`);
    throw invalid('labels', `no agent${placement.pool === '' ? '' : ` of pool "${placement.pool}"`} has all of them, so nobody could ever run it; GET /v1/agents shows what they have`);
  }
}
