import { setTimeout } from 'node:timers/promises';
import { toJsonString, type MessageInitShape } from '@bufbuild/protobuf';
import { AgentSchema, type WatchAgentsResponseSchema } from '../../core/gen/aiforge/v1/fleet_pb.ts';
import { listAgentIds, viewAgent, type FleetDeps } from './view.ts';

/** Agents beat every few seconds and readings are as old: looking oftener would show nothing new. */
const lookMs = 250;

/**
 * Every agent as it is, then each that has changed. A watcher that reads slowly is told the newest, not each step.
 * @param only the agent that is looked at; undefined: all
 */
export async function* watchAgents(deps: FleetDeps, only: string | undefined, signal: AbortSignal): AsyncGenerator<MessageInitShape<typeof WatchAgentsResponseSchema>> {
  const told = new Map<string, string>();
  while (!signal.aborted) {
    const ids = new Set(listAgentIds(deps).filter((id) => only === undefined || id === only));
    for (const id of ids) {
      const agent = viewAgent(deps, id);
      if (agent === undefined) continue;
      // That it was heard again is no change.
      const text = toJsonString(AgentSchema, { ...agent, lastSeen: undefined });
      if (told.get(id) === text) continue;
      told.set(id, text);
      yield { change: { case: 'agent', value: agent } };
    }
    for (const id of told.keys()) {
      if (ids.has(id)) continue;
      told.delete(id);
      yield { change: { case: 'removedAgentId', value: id } };
    }
    await setTimeout(lookMs, undefined, { signal }).catch(() => {});
  }
}
