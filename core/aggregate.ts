import type { Event } from './gen/aiforge/v1/events_pb.ts';
import type { Moment } from './task/evolve.ts';

/** A decider: three pure functions and where they start. `admit` guards the fold against what should not be there. */
export interface Aggregate<State, Command> {
  /** Second token of its subjects, `forge.<name>.<id>`. */
  readonly name: string;
  readonly initialState: State;
  decide(command: Command, state: State): Event[];
  evolve(state: State, event: Event, moment: Moment): State;
  /** @returns undefined when the event may follow, else what is wrong */
  admit(state: State, event: Event): string | undefined;
}
