import type { Event } from './gen/aiforge/v1/events_pb.ts';
import type { Moment } from './task/evolve.ts';

export interface Trace {
  key: string;
  value: number;
}

/** A decider: three pure functions and where they start. `admit` guards the fold against what should not be there. */
export interface Aggregate<State, Command> {
  /** Second token of its subjects, `forge.<name>.<id>`. */
  readonly name: string;
  readonly initialState: State;
  decide(command: Command, state: State): Event[];
  evolve(state: State, event: Event, moment: Moment): State;
  /** @returns undefined when the event may follow, else what is wrong */
  admit(state: State, event: Event): string | undefined;
  /** Whether nothing is left to be done about it, so that who looks for work need not look at it. Without this, all are open. */
  isOver?(state: State): boolean;
  /** What is asked of those that are over all the same, without a look at each: of each key the greatest value is kept. */
  trace?(state: State): Trace | undefined;
}
