import { randomUUID } from 'node:crypto';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { ForgeError, invalid } from '../../core/errors.ts';
import { RetrainPendingSchema, type PipelinePlanned } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { GatePolicy } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { RetrainRequestSchema, type RetrainRequest, type RetrainResponseSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { totalMinutes } from '../../core/pipeline/total-minutes.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { nestedTrainSpec } from '../../core/training/train-spec.ts';
import { checkPolicy } from '../policy/policy.ts';
import { findProject } from '../projects/find.ts';
import { resolveTimeoutMs } from '../resolve.ts';
import { consider, type Considered } from './consider.ts';
import type { LookDeps } from './look.ts';

export interface Answer<T> {
  response: T;
  /** Sequence that a reader must have applied to see what was done; 0: any. */
  sequence: number;
}

type Response = MessageInitShape<typeof RetrainResponseSchema>;

/** SHA-256 in hex, of caller and Idempotency-Key (empty for none), and of the request. */
interface Keys {
  idempotencySha256: string;
  requestSha256: string;
}

/** A pipeline that ends just when a request wants to wait for it makes another try due. */
const maxTries = 5;

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
  const keys = { idempotencySha256, requestSha256: sha256Hex(toBinary(RetrainRequestSchema, request)) };
  const known = knownAnswer(ledger, keys);
  if (known !== undefined) return known;
  const project = await findProject(request, ledger, { projectRoots, timeoutMs: resolveTimeoutMs });
  for (let tries = 0; tries < maxTries; tries++) {
    const considered = await consider({ project, request, trigger: 'request', ...keys }, deps, signal);
    const answer = considered.outcome === 'busy' ? await waitFor(ledger, project.name, considered.pipelineId, request, keys) : answerOf(considered);
    if (answer !== undefined) return answer;
  }
  throw new ForgeError('unavailable', `project ${project.name} changes too fast: try again`, { retryAfterSeconds: 1 });
}

function answerOf(considered: Exclude<Considered, { outcome: 'busy' }>): Answer<Response> {
  switch (considered.outcome) {
    case 'no':
      return { response: { triggered: false, reason: considered.reason }, sequence: considered.sequence };
    case 'planned':
      return { response: { triggered: false, reason: `dry run, nothing was started: ${considered.reason}`, plan: shownPlan(considered.plan) }, sequence: 0 };
    case 'started':
      return { response: { triggered: true, reason: considered.reason, plan: shownPlan(considered.plan), jobId: considered.pipelineId }, sequence: considered.sequence };
  }
}

/** @returns undefined where the pipeline has ended meanwhile: there is nothing to wait for */
async function waitFor(ledger: Ledger, project: string, pipelineId: string, request: RetrainRequest, keys: Keys): Promise<Answer<Response> | undefined> {
  // The same request may have come twice at once, or its first answer was lost.
  const known = knownAnswer(ledger, keys);
  if (known !== undefined) return known;
  const reason = `${pipelineId} runs already for project ${project}`;
  if (request.dryRun) return { response: { triggered: false, reason, jobId: pipelineId }, sequence: 0 };
  const pending = create(RetrainPendingSchema, { trigger: 'request', request, idempotencySha256: Buffer.from(keys.idempotencySha256, 'hex'), requestSha256: Buffer.from(keys.requestSha256, 'hex') });
  const { version, changed } = await ledger.execute(projectAggregate, project, { type: 'pend', pending }, { commandId: randomUUID(), actor: 'guardian', time: Date.now() });
  return changed ? { response: waiting(reason, pipelineId), sequence: version } : undefined;
}

function waiting(reason: string, pipelineId: string): Response {
  return { triggered: false, reason: `${reason}; this request waits, and is decided anew when that has ended`, jobId: pipelineId };
}

/**
 * What came of an earlier request with the same key: the pipeline that it started, also one that is only claimed yet, or
 * the one that it waits for.
 * @throws ForgeError idempotency_conflict
 */
function knownAnswer(ledger: Ledger, keys: Keys): Answer<Response> | undefined {
  if (keys.idempotencySha256 === '') return undefined;
  for (const [id, pipeline] of ledger.all(pipelineAggregate)) {
    if (pipeline.status !== 'none' && isSame(keys, pipeline.plan, id)) return started(id, pipeline.plan);
  }
  for (const [project, { active, pending }] of ledger.all(projectAggregate)) {
    if (active !== undefined && isSame(keys, active.plan, active.pipelineId)) return started(active.pipelineId, active.plan);
    if (active !== undefined && pending !== undefined && isSame(keys, pending, 'a request that waits')) return { response: waiting(`${active.pipelineId} runs already for project ${project}`, active.pipelineId), sequence: 0 };
  }
  return undefined;
}

function isSame(keys: Keys, known: Pick<PipelinePlanned, 'idempotencySha256' | 'requestSha256'>, what: string): boolean {
  if (hex(known.idempotencySha256) !== keys.idempotencySha256) return false;
  if (hex(known.requestSha256) === keys.requestSha256) return true;
  throw new ForgeError('idempotency_conflict', `Idempotency-Key: it was used for ${what} with a different body; send the same body, or a new key`, { field: 'Idempotency-Key' });
}

function started(jobId: string, plan: PipelinePlanned): Answer<Response> {
  return { response: { triggered: true, reason: plan.reason, plan: shownPlan(plan), jobId }, sequence: 0 };
}

function shownPlan({ steps }: PipelinePlanned) {
  return { plan: steps, estimatedDurationMinutes: totalMinutes(steps) };
}

function checkGate(gate: GatePolicy): void {
  const fields = { min_margin: gate.minMargin, max_regression: gate.maxRegression, max_general_increase: gate.maxGeneralIncrease };
  for (const [name, value] of Object.entries(fields)) if (value !== undefined && !(value >= 0 && value <= 10)) throw invalid(`gate.${name}`, `must be a share from 0 to 10 (0.05 is 5 %), not ${value}`);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
