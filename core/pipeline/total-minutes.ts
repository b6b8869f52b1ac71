import type { PlannedStep } from '../gen/aiforge/v1/pipeline_pb.ts';

/** What all steps of a plan may take together, in minutes, to a tenth. */
export function totalMinutes(steps: readonly PlannedStep[]): number {
  return Math.round(steps.reduce((sum, { estimatedMinutes }) => sum + estimatedMinutes, 0) * 10) / 10;
}
