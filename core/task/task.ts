import type { Aggregate } from '../aggregate.ts';
import { admit } from './admit.ts';
import type { TaskCommand } from './commands.ts';
import { decide } from './decide.ts';
import { evolve } from './evolve.ts';
import { initialState, isTerminal, type TaskState } from './state.ts';
import { turnOf } from './turn.ts';

/** `forge.task.<task id>`: a fine-tuning job or one of its follow-ups, `<job id>.<kind>`. */
export const taskAggregate: Aggregate<TaskState, TaskCommand> = { name: 'task', initialState, decide, evolve, admit, isOver: isTerminal, trace: turnOf };
