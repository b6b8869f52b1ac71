import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ForgeError, assertNever } from '../errors.ts';
import { StepRequestSchema, type StepRequest } from '../gen/aiforge/v1/pipeline_pb.ts';
import type { ExtractResult } from '../gen/aiforge/v1/task_pb.ts';
import { requestId } from './decide-step.ts';
import { stepOf, type PipelineFacts, type Step, type StepName } from './state.ts';

type Action = NonNullable<MessageInitShape<typeof StepRequestSchema>['action']>;

/** Below this a dataset teaches nothing, and tells nothing when it is measured. */
export const minTrainExamples = 16n;
export const minHeldoutExamples = 2n;

/** What a step asks for, from the plan and the results of the steps before it. Pure. */
export function stepRequest(pipeline: PipelineFacts, step: Step): StepRequest {
  const { id, plan } = pipeline;
  return create(StepRequestSchema, { requestId: requestId(id, step.name, step.try), pipelineId: id, step: step.name, project: plan.project, action: actionOf(pipeline, step.name) });
}

/** Tells the task of a step to pause, to go on or to end, as long as it is at the version that this was decided on. */
export function controlRequest(pipeline: PipelineFacts, step: Step, verb: 'pause' | 'resume' | 'cancel', taskVersion: number): StepRequest {
  const action = { case: 'control' as const, value: { taskId: step.taskId, verb, taskVersion: BigInt(taskVersion) } };
  return create(StepRequestSchema, { requestId: `${requestId(pipeline.id, step.name, step.try)}:${verb}`, pipelineId: pipeline.id, step: step.name, project: pipeline.plan.project, action });
}

function actionOf(pipeline: PipelineFacts, name: StepName): Action {
  const { plan } = pipeline;
  switch (name) {
    case 'extract_data':
      return { case: 'extract', value: plan.source! };
    case 'validate_data':
      return { case: 'validateData', value: { datasetDigest: dataset(pipeline).datasetDigest, minTrainExamples, minHeldoutExamples } };
    case 'train':
      return { case: 'train', value: { spec: { ...plan.training!, source: { case: 'extract', value: plan.source! } }, after: taskOf(pipeline, 'extract_data') } };
    case 'evaluate':
      return { case: 'evaluate', value: { jobId: taskOf(pipeline, 'train'), referenceJobId: plan.referenceJobId, general: true } };
    case 'export':
      return { case: 'export', value: { jobId: taskOf(pipeline, 'train'), ggufQuantization: plan.training!.ggufQuantization } };
    case 'deploy':
      return { case: 'deploy', value: { jobId: taskOf(pipeline, 'train'), alias: `${plan.project}:latest` } };
    default:
      return assertNever(name, 'step');
  }
}

function taskOf(pipeline: PipelineFacts, name: StepName): string {
  const taskId = stepOf(pipeline, name)?.result?.taskId;
  if (taskId === undefined) throw new ForgeError('internal', `${pipeline.id}: ${name} has no result yet`);
  return taskId;
}

function dataset(pipeline: PipelineFacts): ExtractResult {
  const result = stepOf(pipeline, 'extract_data')?.result?.kind;
  if (result?.case !== 'task' || result.value.kind.case !== 'extract') throw new ForgeError('internal', `${pipeline.id}: extract_data has no dataset yet`);
  return result.value.kind.value;
}
