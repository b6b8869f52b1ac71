import t from 'tap';
import { agentAggregate, type AgentCommand, type AgentState, type AgentStatus } from '../../core/agent/agent.ts';
import { isForgeError } from '../../core/errors.ts';
import { DrainMode } from '../../core/gen/aiforge/v1/fleet_pb.ts';
import { event } from '../../core/task/events.ts';

const { decide, evolve, admit, initialState } = agentAggregate;
const commands: Record<string, AgentCommand> = {
  cordon: { type: 'cordon' },
  finish: { type: 'drain', mode: DrainMode.FINISH },
  checkpoint: { type: 'drain', mode: DrainMode.CHECKPOINT },
  uncordon: { type: 'uncordon' },
  remove: { type: 'remove' },
};

function run(state: AgentState, command: AgentCommand): { state: AgentState; events: string[] } {
  const events = decide(command, state);
  for (const each of events) {
    t.equal(admit(state, each), undefined, 'what is decided is admitted');
    state = evolve(state, each, { id: 'a', time: 5, sequence: 1 });
  }
  return { state, events: events.map(({ kind }) => kind.case!) };
}

const states: Record<string, AgentState> = {
  open: initialState,
  cordoned: run(initialState, commands['cordon']!).state,
  finishing: run(initialState, commands['finish']!).state,
  checkpointing: run(initialState, commands['checkpoint']!).state,
  removed: run(initialState, commands['remove']!).state,
};

/** Status afterwards, `-` where nothing happens, `!` where it is refused. */
const table: Record<string, Record<string, AgentStatus | '-' | '!'>> = {
  open: { cordon: 'cordoned', finish: 'draining', checkpoint: 'draining', uncordon: '-', remove: 'removed' },
  cordoned: { cordon: '-', finish: 'draining', checkpoint: 'draining', uncordon: 'open', remove: 'removed' },
  finishing: { cordon: 'cordoned', finish: '-', checkpoint: 'draining', uncordon: 'open', remove: 'removed' },
  checkpointing: { cordon: 'cordoned', finish: 'draining', checkpoint: '-', uncordon: 'open', remove: 'removed' },
  removed: { cordon: '!', finish: '!', checkpoint: '!', uncordon: 'open', remove: '-' },
};

t.test('what each command makes of each state', async (t) => {
  for (const [from, state] of Object.entries(states)) {
    for (const [name, command] of Object.entries(commands)) {
      let became: string;
      try {
        const { state: next, events } = run(state, command);
        became = events.length === 0 ? '-' : next.status;
        if (next.status === 'draining') t.equal(next.mode, (command as { mode?: DrainMode }).mode ?? state.mode, `${name} of ${from}`);
      } catch (error) {
        if (!isForgeError(error, 'wrong_state')) throw error;
        became = '!';
      }
      t.equal(became, table[from]![name], `${name} of ${from}`);
    }
  }
});

t.test('what could not have been decided is not admitted', async (t) => {
  t.match(admit(states['removed']!, event('agentCordoned', {})), /after the agent was removed/);
  t.match(admit(initialState, event('taskPaused', {})), /does not belong to an agent/);
});
