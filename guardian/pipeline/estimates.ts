import { create } from '@bufbuild/protobuf';
import { PlannedStepSchema, type PlannedStep } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import type { Pipeline, StepName } from '../../core/pipeline/state.ts';

/** Minutes, before there is any history: 47 in all. */
const firstGuess: Readonly<Record<StepName, number>> = Object.freeze({ extract_data: 5, validate_data: 2, train: 30, evaluate: 5, export: 3, deploy: 2 });
/** So many of the project's last pipelines tell how long the next takes. */
const remembered = 5;

/**
 * The steps of a pipeline with what they may take: the median of this project's own last ones where there are any,
 * without the time that they were paused. Pure.
 * @param history the project's pipelines, the oldest first
 */
export function planSteps(names: readonly StepName[], history: readonly Pipeline[]): PlannedStep[] {
  return names.map((name, index) => create(PlannedStepSchema, { id: String(index + 1), name, estimatedMinutes: measured(name, history) ?? firstGuess[name] }));
}

function measured(name: StepName, history: readonly Pipeline[]): number | undefined {
  const minutes = history
    .flatMap(({ steps }) => steps.filter((step) => step.name === name && step.status === 'completed').map(({ startedAt, endedAt, pausedMs }) => (endedAt - startedAt - pausedMs) / 60_000))
    .slice(-remembered)
    .sort((a, b) => a - b);
  if (minutes.length === 0) return undefined;
  const median = (minutes[Math.floor((minutes.length - 1) / 2)]! + minutes[Math.floor(minutes.length / 2)]!) / 2;
  return Math.max(0.1, Math.round(median * 10) / 10);
}
