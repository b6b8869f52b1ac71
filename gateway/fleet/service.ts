import { randomUUID } from 'node:crypto';
import { agentAggregate, type AgentCommand } from '../../core/agent/agent.ts';
import { ForgeError, invalid } from '../../core/errors.ts';
import { AgentStatus, DrainMode, type Agent, type FleetService } from '../../core/gen/aiforge/v1/fleet_pb.ts';
import type { CallContext, Implementation } from '../method.ts';
import { pageOf } from '../page.ts';
import { listAgentIds, tasksOf, viewAgent, type FleetDeps } from './view.ts';
import { watchAgents } from './watch.ts';

/** Agents as they were heard, and what operators say about them. */
export function createFleetService(deps: FleetDeps): Implementation<typeof FleetService> {
  const { ledger, roster } = deps;

  const find = (agentId: string): Agent => {
    const agent = viewAgent(deps, agentId);
    if (agent === undefined) throw new ForgeError('not_found', `agent_id: there is no agent "${agentId}"; GET /v1/agents lists those that were heard`, { field: 'agent_id' });
    return agent;
  };
  const say = async (agentId: string, command: AgentCommand, { caller }: CallContext): Promise<void> => {
    await ledger.catchUp();
    // One that was removed is not listed, and can be taken back.
    if (command.type !== 'uncordon' || ledger.head(agentAggregate, agentId).version === 0) find(agentId);
    if (command.type === 'remove') refuseRemoval(agentId);
    const { version } = await ledger.execute(agentAggregate, agentId, command, { commandId: randomUUID(), actor: caller, time: Date.now() });
    await ledger.waitFor(version);
  };
  const refuseRemoval = (agentId: string): void => {
    const tasks = tasksOf(ledger, agentId);
    if (tasks.length > 0) throw new ForgeError('wrong_state', `agent_id: ${agentId} runs ${tasks.slice(0, 5).join(', ')}; drain it first, or stop its daemon and wait until its tasks are lost`, { field: 'agent_id' });
    if (find(agentId).status === AgentStatus.READY) throw new ForgeError('wrong_state', `agent_id: ${agentId} is given work; cordon or drain it first`, { field: 'agent_id' });
  };

  return {
    async listAgents(request) {
      const page = pageOf(listAgentIds(deps), request, (id) => id);
      return { agents: page.items.map((id) => viewAgent(deps, id)).filter((agent) => agent !== undefined), nextPageToken: page.next };
    },
    getAgent: async ({ agentId }) => ({ agent: find(agentId) }),
    async drainAgent({ agentId, mode = DrainMode.FINISH }, context) {
      if (mode !== DrainMode.FINISH && mode !== DrainMode.CHECKPOINT) throw invalid('mode', 'must be finish or checkpoint');
      await say(agentId, { type: 'drain', mode }, context);
      return { agent: find(agentId) };
    },
    async cordonAgent({ agentId }, context) {
      await say(agentId, { type: 'cordon' }, context);
      return { agent: find(agentId) };
    },
    async uncordonAgent({ agentId }, context) {
      await say(agentId, { type: 'uncordon' }, context);
      return { agent: viewAgent(deps, agentId) ?? { agentId, status: AgentStatus.AWAY } };
    },
    async removeAgent({ agentId }, context) {
      await say(agentId, { type: 'remove' }, context);
      roster.forget(agentId);
      return { agentId };
    },
    watchAgents: ({ agentId }, { signal }) => watchAgents(deps, agentId, signal),
  };
}
