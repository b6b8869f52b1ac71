import type { Aggregate } from './aggregate.ts';
import { apiKeyAggregate } from './access/api-key.ts';
import { agentAggregate } from './agent/agent.ts';
import { baseModelAggregate } from './base-model/base-model.ts';
import { fileAggregate } from './file/file.ts';
import { reservationAggregate } from './idempotency/reservation.ts';
import { modelAggregate } from './model/model.ts';
import { pipelineAggregate } from './pipeline/pipeline.ts';
import { projectAggregate } from './project/project.ts';
import { taskAggregate } from './task/task.ts';

/** Every kind of aggregate that the stream may hold. */
export const allAggregates = [taskAggregate, modelAggregate, reservationAggregate, baseModelAggregate, projectAggregate, pipelineAggregate, apiKeyAggregate, fileAggregate, agentAggregate] as unknown as readonly Aggregate<never, never>[];
