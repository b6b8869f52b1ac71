import type { Aggregate } from '../aggregate.ts';
import { admit } from './admit.ts';
import type { PipelineCommand } from './commands.ts';
import { decide } from './decide.ts';
import { evolve } from './evolve.ts';
import { initialState, type PipelineState } from './state.ts';

/** `forge.pipeline.<pipeline id>`: the steps from a commit to a model that is served. */
export const pipelineAggregate: Aggregate<PipelineState, PipelineCommand> = { name: 'pipeline', initialState, decide, evolve, admit };
