import { create, toJsonString } from '@bufbuild/protobuf';
import { ForgeError, invalid, isForgeError } from '../../core/errors.ts';
import { faultPoint } from '../../core/fault.ts';
import { CreateFineTuneRequestSchema, JobStatus, type CreateFineTuneRequest } from '../../core/gen/aiforge/v1/job_pb.ts';
import { ExtractSpecSchema, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { checkProjectName } from '../../core/training/names.ts';
import { trainSpecOf } from '../../core/training/train-spec.ts';
import type { CallContext } from '../method.ts';
import { withBaseShape } from './base-shape.ts';
import { createJob, repeatedJob } from './create-job.ts';
import type { Resolve } from './resolve.ts';
import type { RunnableCheck } from './runnable.ts';

export interface SubmitDeps {
  ledger: Ledger;
  resolve: Resolve;
  /** Throws where no agent could ever run it. */
  runnable?: RunnableCheck;
  now?: () => number;
}

const queuedMessage = 'Fine-tuning job queued';

/** Queues a fine-tuning job. Nothing is created when anything is wrong. */
export async function submit(deps: SubmitDeps, request: CreateFineTuneRequest, context: Pick<CallContext, 'idempotencyKey' | 'caller'>) {
  const { ledger, now = Date.now } = deps;
  const project = checkProjectName(request.projectName);
  let spec = trainSpecOf(request);
  if (request.projectPath !== undefined && request.trainingFile !== undefined) throw invalid('training_file', 'give either training_file or project_path, not both');
  const sha256 = keyHash(context);
  const key = sha256 === undefined ? undefined : { sha256, bodySha256: sha256Hex(toJsonString(CreateFineTuneRequestSchema, request)) };
  // A body that differs is refused before anything else is looked at; a repeat needs no guardian.
  const repeated = key && (await repeatedJob(ledger, key, now()));
  if (repeated !== undefined) return accepted(repeated);
  spec = await withBaseShape(spec);
  await deps.runnable?.(spec);
  const source = await resolveSource(deps, project, request);
  const extract = create(ExtractSpecSchema, { ...source, seed: spec.hyperparameters!.seed, baseModel: spec.baseModel, revision: spec.revision });
  const taskSpec = create(TaskSpecSchema, { kind: { case: 'train', value: { ...spec, source: { case: 'extract', value: extract } } } });
  return accepted(await createJob(deps, { project, spec: taskSpec, actor: 'client' }, key));
}

/** The guardian knows one path; an error names the field that the client gave it in. */
async function resolveSource({ resolve }: SubmitDeps, projectName: string, request: CreateFineTuneRequest) {
  try {
    return await resolve({ projectName, projectPath: pathOf(request), ref: '' });
  } catch (error) {
    if (request.trainingFile === undefined || !isForgeError(error) || error.field !== 'project_path') throw error;
    throw new ForgeError(error.code, error.message.replaceAll('project_path', 'training_file'), { field: 'training_file', cause: error });
  }
}

/** SHA-256 of caller and key; undefined without a key. @throws ForgeError invalid_argument */
export function keyHash({ idempotencyKey, caller }: Pick<CallContext, 'idempotencyKey' | 'caller'>): string | undefined {
  if (idempotencyKey === undefined) return undefined;
  if (idempotencyKey === '' || idempotencyKey.length > 255) throw invalid('Idempotency-Key', 'must have 1 to 255 characters');
  return sha256Hex(JSON.stringify([caller, idempotencyKey]));
}

function pathOf({ projectPath, trainingFile }: CreateFineTuneRequest): string {
  if (trainingFile !== undefined) {
    if (!trainingFile.endsWith('.jsonl')) throw invalid('training_file', 'must be a .jsonl file in chat form, one {"messages": [...]} a line');
    return trainingFile;
  }
  if (projectPath === '') throw invalid('project_path', 'must not be empty: leave it out to look for a folder named like the project');
  return projectPath ?? '';
}

function accepted(jobId: string) {
  faultPoint('gateway.submit.answer');
  return { jobId, status: JobStatus.QUEUED, message: queuedMessage };
}
