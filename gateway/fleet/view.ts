import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { agentAggregate } from '../../core/agent/agent.ts';
import { AgentSchema, AgentStatus, type Agent, type AgentTaskSchema } from '../../core/gen/aiforge/v1/fleet_pb.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Running, WorkerInfo } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { NewestMetrics } from '../feed/newest-metrics.ts';
import type { Present, Roster } from '../workers/roster.ts';

export interface FleetDeps {
  ledger: Ledger;
  roster: Roster;
  metrics: Pick<NewestMetrics, 'get'>;
  /** Silence after which an agent is away. */
  lossMs: number;
}

const kindsOfAgents: readonly TaskKind[] = [TaskKind.TRAIN, TaskKind.EVALUATE, TaskKind.EXPORT];

/** Ids of all agents that were heard, or that an operator has said something about; the removed left out. Sorted. */
export function listAgentIds({ ledger, roster }: FleetDeps): string[] {
  const ids = new Set<string>();
  for (const [id, { info }] of roster.workers()) if (isAgent(info)) ids.add(id);
  for (const [id, { status }] of ledger.all(agentAggregate)) {
    if (status === 'removed') ids.delete(id);
    // A gateway that has just started has heard nobody yet.
    else if (status !== 'open') ids.add(id);
  }
  return [...ids].sort();
}

/** The guardian and the gateways' deployers are workers too, and no hosts that train. */
function isAgent(info: WorkerInfo | undefined): boolean {
  return info?.slots.some((slot) => slot.kinds.some((kind) => kindsOfAgents.includes(kind))) ?? false;
}

/** @returns undefined for one that is not listed */
export function viewAgent(deps: FleetDeps, agentId: string): Agent | undefined {
  const { ledger, roster } = deps;
  const present = roster.workers().get(agentId);
  const { state, version } = ledger.head(agentAggregate, agentId);
  if (state.status === 'removed' || (!isAgent(present?.info) && (version === 0 || state.status === 'open'))) return undefined;
  return create(AgentSchema, {
    agentId,
    status: statusOf(deps, agentId, present),
    cordoned: state.status !== 'open',
    ...(state.status === 'draining' ? { drainMode: state.mode } : {}),
    ...(present === undefined ? {} : heard(deps, agentId, present)),
  });
}

function statusOf({ ledger, lossMs }: FleetDeps, agentId: string, present: Present | undefined): AgentStatus {
  const { status } = ledger.head(agentAggregate, agentId).state;
  if (status === 'draining' && tasksOf(ledger, agentId).length === 0) return AgentStatus.DRAINED;
  if (present === undefined || performance.now() - present.heardAt > lossMs) return AgentStatus.AWAY;
  if (status === 'draining') return AgentStatus.DRAINING;
  return status === 'cordoned' ? AgentStatus.CORDONED : AgentStatus.READY;
}

/** Tasks whose attempt is the agent's, whether it has heard of it or not. */
export function tasksOf(ledger: Ledger, agentId: string): string[] {
  const ids: string[] = [];
  for (const [id, task] of ledger.open(taskAggregate)) if (task.status === 'running' && task.attempt.workerId === agentId) ids.push(id);
  return ids;
}

function heard(deps: FleetDeps, agentId: string, { info, beat, seenAt }: Present): Omit<MessageInitShape<typeof AgentSchema>, '$typeName' | '$unknown'> {
  const { reading } = beat;
  return {
    lastSeen: timestampFromMs(seenAt),
    host: info?.host ?? '',
    ...(info === undefined || info.cpus === 0 ? {} : { cpus: info.cpus }),
    ...(info === undefined || info.memoryBytes === 0n ? {} : { memoryBytes: info.memoryBytes }),
    gpus: info?.gpus.map(({ index, name, memoryBytes, driver, computeCapability }) => ({ index, name, memoryBytes, driver, computeCapability, reading: reading?.gpus.find((gpu) => gpu.index === index) })) ?? [],
    slots: info?.slots.map(({ name, kinds, gpuIndex }) => ({ name, kinds, ...(gpuIndex === undefined ? {} : { gpuIndex }), task: taskIn(deps, agentId, beat.running.filter((running) => running.slot === name)) })) ?? [],
    versions: info?.versions ?? {},
    labels: info?.labels ?? {},
    // Those of GPUs stand beside the GPUs.
    ...(reading === undefined ? {} : { reading: { ...reading, gpus: [] } }),
  };
}

/** What the agent says it runs, as far as the events say the same. */
function taskIn({ ledger, metrics }: FleetDeps, agentId: string, running: readonly Running[]): MessageInitShape<typeof AgentTaskSchema> | undefined {
  for (const { taskId, attempt } of running) {
    const task = ledger.head(taskAggregate, taskId).state;
    if (task.status !== 'running' || task.attempt.workerId !== agentId || task.attempt.number !== attempt) continue;
    const measured = metrics.get(taskId);
    const tokensPerSecond = measured?.attempt === attempt ? measured.tokensPerSecond : undefined;
    return { taskId, attempt, kind: task.kind, project: task.project, phase: task.attempt.phase, ...(tokensPerSecond === undefined ? {} : { tokensPerSecond }) };
  }
  return undefined;
}
