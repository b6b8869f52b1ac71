import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { GetRetrainResponseSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { currentStep, isOver, stepOf, type Pipeline, type Step } from '../../core/pipeline/state.ts';
import { totalMinutes } from '../../core/pipeline/total-minutes.ts';
import { wirePipelineStatus, wireStepStatus } from '../../core/pipeline/wire-status.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';

type View = MessageInitShape<typeof GetRetrainResponseSchema>;

/** Id of the job that the train step made; undefined before. */
export function trainingJob(pipeline: Pipeline): string | undefined {
  return stepOf(pipeline, 'train')?.taskId || undefined;
}

/** What clients see of a pipeline. */
export function viewPipeline(pipeline: Pipeline, ledger: Ledger): View {
  const { plan } = pipeline;
  const error = pipeline.status === 'failed' ? `${pipeline.code}: ${pipeline.reason}` : pipeline.status === 'refused' ? pipeline.reason : undefined;
  return {
    jobId: pipeline.id,
    projectName: plan.project,
    status: wirePipelineStatus(pipeline),
    currentStep: isOver(pipeline) ? undefined : currentStep(pipeline)?.name,
    requested: pipeline.requested === 'none' ? undefined : pipeline.requested,
    reason: plan.reason,
    trigger: plan.trigger,
    commit: plan.source?.commit ?? '',
    baseCommit: plan.baseCommit,
    metrics: plan.metrics,
    steps: pipeline.steps.map((step, index) => viewStep(pipeline, step, index, ledger)),
    estimatedDurationMinutes: totalMinutes(plan.steps),
    autoDeploy: plan.autoDeploy,
    requireApproval: plan.requireApproval,
    gate: pipeline.gate === undefined ? undefined : { passed: pipeline.gate.passed, checks: [...pipeline.gate.checks] },
    trainingJobId: trainingJob(pipeline),
    error,
    createdAt: timestampFromMs(pipeline.createdAt),
    updatedAt: timestampFromMs(pipeline.updatedAt),
  };
}

function viewStep(pipeline: Pipeline, step: Step, index: number, ledger: Ledger): NonNullable<View['steps']>[number] {
  const planned = pipeline.plan.steps[index]!;
  return {
    id: planned.id,
    name: step.name,
    status: wireStepStatus(pipeline, step, ledger.head(taskAggregate, step.taskId).state),
    estimatedMinutes: planned.estimatedMinutes,
    startedAt: step.startedAt === 0 ? undefined : timestampFromMs(step.startedAt),
    endedAt: step.endedAt === 0 ? undefined : timestampFromMs(step.endedAt),
    taskId: step.taskId || undefined,
    error: step.error === undefined || step.status === 'completed' ? undefined : `${step.error.code}: ${step.error.reason}`,
    result: step.result,
  };
}
