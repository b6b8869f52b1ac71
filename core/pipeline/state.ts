import type { GateCheck, StepRequest, StepResult } from '../gen/aiforge/v1/pipeline_pb.ts';
import type { PipelinePlanned } from '../gen/aiforge/v1/events_pb.ts';

export const stepNames = ['extract_data', 'validate_data', 'train', 'evaluate', 'export', 'deploy'] as const;
export type StepName = (typeof stepNames)[number];

/** `pending`: not yet asked for; `requested`: stored, and sent until it is answered; `running`: a task stands for it. */
export type StepStatus = 'pending' | 'requested' | 'running' | 'completed' | 'failed' | 'skipped';

export interface Step {
  name: StepName;
  status: StepStatus;
  /** From 1. */
  try: number;
  request: StepRequest | undefined;
  /** Empty until the request was answered, and for what the guardian does itself. */
  taskId: string;
  /** Unix milliseconds; 0 for not yet. */
  startedAt: number;
  endedAt: number;
  /** How long the pipeline was paused in this step. */
  pausedMs: number;
  result: StepResult | undefined;
  error: { code: string; reason: string } | undefined;
}

export interface Gate {
  passed: boolean;
  checks: readonly GateCheck[];
  reportDigest: string;
}

export interface PipelineFacts {
  id: string;
  plan: PipelinePlanned;
  /** Unix milliseconds, the command's clock. */
  createdAt: number;
  updatedAt: number;
  steps: readonly Step[];
  /** Stands beside the status until the step that runs has ended. */
  requested: 'none' | 'pause' | 'cancel';
  /** A step that was paused is to go on. */
  resuming: boolean;
  gate: Gate | undefined;
}

export type Pipeline = PipelineFacts &
  (
    | { status: 'waiting_approval' }
    | { status: 'running' }
    | { status: 'paused'; pausedAt: number }
    | { status: 'completed' }
    | { status: 'refused'; reason: string }
    | { status: 'failed'; code: string; reason: string }
    | { status: 'cancelled'; reason: string }
  );

export type PipelineStatus = Pipeline['status'];
export type PipelineState = { status: 'none' } | Pipeline;

export const initialState: PipelineState = Object.freeze({ status: 'none' });

export function isOver(state: PipelineState): boolean {
  return state.status === 'completed' || state.status === 'refused' || state.status === 'failed' || state.status === 'cancelled';
}

/** The first step that has not ended well; undefined when all have. */
export function currentStep(pipeline: PipelineFacts): Step | undefined {
  return pipeline.steps.find(({ status }) => status !== 'completed' && status !== 'skipped');
}

/** Whether the evaluation waits for its verdict: nothing follows before that. */
export function isGateDue(pipeline: PipelineFacts): boolean {
  return pipeline.gate === undefined && stepOf(pipeline, 'evaluate')?.status === 'completed';
}

export function stepOf(pipeline: PipelineFacts, name: StepName): Step | undefined {
  return pipeline.steps.find((step) => step.name === name);
}
