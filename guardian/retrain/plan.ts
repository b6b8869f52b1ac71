import { create } from '@bufbuild/protobuf';
import { PipelinePlannedSchema, type PipelinePlanned } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { GatePolicy } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { ExtractSpecSchema, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { CreateFineTuneRequestSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import { gateWithDefaults } from '../../core/pipeline/gate.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { stepNames, type Pipeline } from '../../core/pipeline/state.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { trainSpecOf } from '../../core/training/train-spec.ts';
import { planSteps } from '../pipeline/estimates.ts';
import type { FoundProject } from '../projects/find.ts';
import { servedJob } from '../projects/trained.ts';
import type { Look } from './look.ts';

export interface Wish {
  trigger: 'request' | 'watch' | 'webhook';
  reason: string;
  autoDeploy: boolean;
  requireApproval: boolean;
  /** As the request says it; undefined: as the project says, as the current model was trained, the defaults. */
  training: TrainSpec | undefined;
  gate: GatePolicy | undefined;
  /** SHA-256 in hex; empty for none. */
  idempotencySha256: string;
  requestSha256: string;
}

/** Everything a pipeline needs to know, fixed at its start. Pure but for what it reads of the fold. */
export function planPipeline(project: FoundProject, seen: Look, wish: Wish, ledger: Ledger): PipelinePlanned {
  const training = wish.training ?? project.registration?.training ?? seen.trained?.training ?? trainSpecOf(create(CreateFineTuneRequestSchema));
  const served = servedJob(ledger, project.name);
  const names = stepNames.filter((name) => name !== 'deploy' || wish.autoDeploy);
  return create(PipelinePlannedSchema, {
    project: project.name,
    source: create(ExtractSpecSchema, { ...seen.source.spec, commit: seen.head, seed: splitSeed(served) ?? training.hyperparameters?.seed ?? 0n, baseModel: training.baseModel, revision: training.revision }),
    baseCommit: seen.trained?.commit ?? '',
    trigger: wish.trigger,
    reason: wish.reason,
    metrics: seen.metrics,
    steps: planSteps(names, historyOf(ledger, project.name)),
    autoDeploy: wish.autoDeploy,
    requireApproval: wish.requireApproval,
    training: { ...training, source: { case: undefined } },
    referenceJobId: served?.id ?? '',
    gate: gateWithDefaults(wish.gate),
    idempotencySha256: Buffer.from(wish.idempotencySha256, 'hex'),
    requestSha256: Buffer.from(wish.requestSha256, 'hex'),
  });
}

/**
 * The seed by which the served model's files were split: with another one it would be measured on files that it has seen,
 * and a new model could hardly be better. It is the dataset's alone; the training's own seed is its own.
 */
function splitSeed(served: ReturnType<typeof servedJob>): bigint | undefined {
  const source = served?.spec.kind.case === 'train' ? served.spec.kind.value.source : undefined;
  return source?.case === 'extract' && !source.value.commit.startsWith('file:') ? source.value.seed : undefined;
}

function historyOf(ledger: Ledger, project: string): Pipeline[] {
  const history: Pipeline[] = [];
  for (const [, pipeline] of ledger.all(pipelineAggregate)) if (pipeline.status !== 'none' && pipeline.plan.project === project) history.push(pipeline);
  return history;
}
