import type { Aggregate } from '../aggregate.ts';
import { ForgeError, assertNever } from '../errors.ts';
import { DrainMode } from '../gen/aiforge/v1/fleet_pb.ts';
import { event } from '../task/events.ts';

/** Whether a host's agent is given work. `open` as long as nobody said otherwise. */
export type AgentStatus = 'open' | 'cordoned' | 'draining' | 'removed';

export interface AgentState {
  status: AgentStatus;
  /** While draining: what becomes of the tasks that run. */
  mode: DrainMode;
  /** When that was said; 0 for never. Unix milliseconds. */
  since: number;
}

export type AgentCommand = { type: 'cordon' } | { type: 'drain'; mode: DrainMode } | { type: 'uncordon' } | { type: 'remove' };

/** `forge.agent.<worker id>`: what an operator has said about it. All gateways schedule by it; presence is no event. */
export const agentAggregate: Aggregate<AgentState, AgentCommand> = {
  name: 'agent',
  initialState: Object.freeze({ status: 'open', mode: DrainMode.UNSPECIFIED, since: 0 }),

  decide(command, state) {
    switch (command.type) {
      case 'cordon':
        if (state.status === 'cordoned') return [];
        if (state.status === 'removed') throw removed();
        return [event('agentCordoned', {})];
      case 'drain':
        if (state.status === 'draining' && state.mode === command.mode) return [];
        if (state.status === 'removed') throw removed();
        return [event('agentDrainRequested', { mode: command.mode })];
      case 'uncordon':
        return state.status === 'open' ? [] : [event('agentUncordoned', {})];
      case 'remove':
        if (state.status === 'removed') return [];
        return [event('agentRemoved', {})];
      default:
        return assertNever(command, 'command');
    }
  },

  evolve(state, { kind }, { time }) {
    switch (kind.case) {
      case 'agentCordoned':
        return { status: 'cordoned', mode: DrainMode.UNSPECIFIED, since: time };
      case 'agentDrainRequested':
        return { status: 'draining', mode: kind.value.mode, since: time };
      case 'agentUncordoned':
        return { status: 'open', mode: DrainMode.UNSPECIFIED, since: time };
      case 'agentRemoved':
        return { status: 'removed', mode: DrainMode.UNSPECIFIED, since: time };
      default:
        return state;
    }
  },

  admit(state, { kind }) {
    switch (kind.case) {
      case 'agentCordoned':
      case 'agentDrainRequested':
        return state.status === 'removed' ? `${kind.case} after the agent was removed` : undefined;
      case 'agentUncordoned':
      case 'agentRemoved':
        return undefined;
      default:
        return `${kind.case} does not belong to an agent`;
    }
  },
};

function removed(): ForgeError {
  return new ForgeError('wrong_state', 'agent_id: it was removed; uncordon it to take it back', { field: 'agent_id' });
}
