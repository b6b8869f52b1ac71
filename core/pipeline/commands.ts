import type { PipelinePlanned } from '../gen/aiforge/v1/events_pb.ts';
import type { GateCheck, StepRequest, StepResult } from '../gen/aiforge/v1/pipeline_pb.ts';

/** Imperative, and pure data: time and ids come in with the command. */
export type PipelineCommand =
  | { type: 'plan'; plan: PipelinePlanned }
  | { type: 'approve' }
  | { type: 'request-step'; request: StepRequest }
  | { type: 'accept-step'; step: string; try: number; taskId: string }
  | { type: 'complete-step'; step: string; try: number; result: StepResult }
  | { type: 'fail-step'; step: string; try: number; code: string; reason: string; retryable: boolean }
  | { type: 'decide-gate'; passed: boolean; checks: GateCheck[]; reportDigest: string }
  /** There will be no verdict. */
  | { type: 'fail-gate'; code: string; reason: string }
  | { type: 'pause' }
  /** The step's task is paused now. */
  | { type: 'settle-pause' }
  | { type: 'resume' }
  /** The step's task goes on. */
  | { type: 'step-resumed'; step: string }
  | { type: 'cancel'; reason: string }
  /** The step's task has ended. */
  | { type: 'settle-cancel' };

export type PipelineCommandType = PipelineCommand['type'];
