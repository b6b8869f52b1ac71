import { randomUUID } from 'node:crypto';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { ForgeError, invalid } from '../../core/errors.ts';
import { RetrainPendingSchema, type PipelinePlanned } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { GatePolicy } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { RetrainRequestSchema, type RetrainRequest, type RetrainResponseSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { nestedTrainSpec } from '../../core/training/train-spec.ts';
import { checkPolicy } from '../policy/policy.ts';
import { findProject } from '../projects/find.ts';
import { resolveTimeoutMs } from '../resolve.ts';
import { consider } from './consider.ts';
import type { LookDeps } from './look.ts';

export interface Answer<T> {
  response: T;
  /** Sequence that a reader must have applied to see what was done; 0: any. */
  sequence: number;
}

type Response = MessageInitShape<typeof RetrainResponseSchema>;

/**
 * `POST /v1/retrain`: decides whether to retrain, and starts the pipeline. `force` skips the decision alone; `dry_run`
 * changes nothing. A request while a pipeline runs waits, and is decided anew when that has ended.
 * @param idempotencySha256 of caller and Idempotency-Key, in hex; empty for none
 * @throws ForgeError
 */
export async function retrain(request: RetrainRequest, idempotencySha256: string, deps: LookDeps, signal: AbortSignal): Promise<Answer<Response>> {
  const { ledger, projectRoots } = deps;
  if (request.training !== undefined) nestedTrainSpec(request.training, 'training');
  if (request.policy !== undefined) checkPolicy(request.policy, 'policy');
  if (request.gate !== undefined) checkGate(request.gate);
  await ledger.catchUp(signal);
  const requestSha256 = sha256Hex(toBinary(RetrainRequestSchema, request));
  const known = idempotencySha256 === '' ? undefined : findByKey(ledger, idempotencySha256, requestSha256);
  if (known !== undefined) return known;
  const project = await findProject(request, ledger, { projectRoots, timeoutMs: resolveTimeoutMs });
  const considered = await consider({ project, request, trigger: 'request', idempotencySha256, requestSha256 }, deps, signal);
  switch (considered.outcome) {
    case 'no':
      return { response: { triggered: false, reason: considered.reason }, sequence: considered.sequence };
    case 'planned':
      return { response: { triggered: false, reason: `dry run, nothing was started: ${considered.reason}`, plan: shownPlan(considered.plan) }, sequence: 0 };
    case 'started':
      return { response: { triggered: true, reason: considered.reason, plan: shownPlan(considered.plan), jobId: considered.pipelineId }, sequence: considered.sequence };
    case 'busy': {
      const reason = `${considered.pipelineId} runs already for project ${project.name}`;
      if (request.dryRun) return { response: { triggered: false, reason, jobId: considered.pipelineId }, sequence: 0 };
      const pending = create(RetrainPendingSchema, { trigger: 'request', request });
      const { version } = await ledger.execute(projectAggregate, project.name, { type: 'pend', pending }, { commandId: randomUUID(), actor: 'guardian', time: Date.now() });
      return { response: { triggered: false, reason: `${reason}; this request waits, and is decided anew when that has ended`, jobId: considered.pipelineId }, sequence: version };
    }
  }
}

/** @throws ForgeError idempotency_conflict */
function findByKey(ledger: Ledger, idempotencySha256: string, requestSha256: string): Answer<Response> | undefined {
  for (const [id, pipeline] of ledger.all(pipelineAggregate)) {
    if (pipeline.status === 'none' || hex(pipeline.plan.idempotencySha256) !== idempotencySha256) continue;
    if (hex(pipeline.plan.requestSha256) !== requestSha256) {
      throw new ForgeError('idempotency_conflict', `Idempotency-Key: it was used for ${id} with a different body; send the same body, or a new key`, { field: 'Idempotency-Key' });
    }
    return { response: { triggered: true, reason: pipeline.plan.reason, plan: shownPlan(pipeline.plan), jobId: id }, sequence: 0 };
  }
  return undefined;
}

function shownPlan({ steps }: PipelinePlanned) {
  return { plan: steps, estimatedDurationMinutes: Math.round(steps.reduce((sum, { estimatedMinutes }) => sum + estimatedMinutes, 0) * 10) / 10 };
}

function checkGate(gate: GatePolicy): void {
  const fields = { min_margin: gate.minMargin, max_regression: gate.maxRegression, max_general_increase: gate.maxGeneralIncrease };
  for (const [name, value] of Object.entries(fields)) if (value !== undefined && !(value >= 0 && value <= 10)) throw invalid(`gate.${name}`, `must be a share from 0 to 10 (0.05 is 5 %), not ${value}`);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
