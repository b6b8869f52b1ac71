import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import type { Test } from 'tap';
import { AgentStatus, FleetService, type WatchAgentsResponse } from '../../core/gen/aiforge/v1/fleet_pb.ts';

export type AgentChange = WatchAgentsResponse['change'];

/** The fleet's feed over gRPC. @returns reads on until a change fits */
export function followFleet(t: Pick<Test, 'teardown'>, url: string, agentId?: string): (fits: (change: AgentChange) => boolean) => Promise<AgentChange> {
  const ending = new AbortController();
  t.teardown(() => ending.abort());
  const fleet = createClient(FleetService, createGrpcTransport({ baseUrl: url }));
  const feed = fleet.watchAgents(agentId === undefined ? {} : { agentId }, { signal: ending.signal })[Symbol.asyncIterator]();
  return async (fits) => {
    for (;;) {
      const { value, done } = await feed.next();
      if (done === true) throw new Error('the feed has ended');
      if (fits((value as WatchAgentsResponse).change)) return (value as WatchAgentsResponse).change;
    }
  };
}

export function isAgent(id: string, status: AgentStatus): (change: AgentChange) => boolean {
  return (change) => change.case === 'agent' && change.value.agentId === id && change.value.status === status;
}

/** Whether it says that the agent's training has made a step. */
export function trains(id: string): (change: AgentChange) => boolean {
  return (change) => change.case === 'agent' && change.value.agentId === id && change.value.slots.some(({ task }) => task?.phase === 'training' && task.tokensPerSecond !== undefined);
}
