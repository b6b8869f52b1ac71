import { randomUUID } from 'node:crypto';
import { create, toJsonString } from '@bufbuild/protobuf';
import { ForgeError, invalid, isForgeError } from '../../core/errors.ts';
import { faultPoint } from '../../core/fault.ts';
import { CreateFineTuneRequestSchema, JobStatus, type CreateFineTuneRequest } from '../../core/gen/aiforge/v1/job_pb.ts';
import { TaskKind, TaskSpecSchema, type TaskSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { reservationAggregate } from '../../core/idempotency/reservation.ts';
import { sha256Hex, type CommandMeta } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { CallContext } from '../method.ts';
import { defaults, maxAttempts } from './defaults.ts';
import { ggufQuantizationOf, hyperparametersOf } from './hyperparameters.ts';
import { checkBaseModel, checkProjectName, checkRevision, jobIdAt, withSuffix } from './names.ts';
import type { Resolve } from './resolve.ts';

export interface SubmitDeps {
  ledger: Ledger;
  resolve: Resolve;
  now?: () => number;
}

const maxTries = 20;
const queuedMessage = 'Fine-tuning job queued';

/** Queues a fine-tuning job. Nothing is created when anything is wrong. */
export async function submit(deps: SubmitDeps, request: CreateFineTuneRequest, context: Pick<CallContext, 'idempotencyKey' | 'caller'>) {
  const { ledger, now = Date.now } = deps;
  const project = checkProjectName(request.projectName);
  const hyperparameters = hyperparametersOf(request);
  const spec = {
    baseModel: checkBaseModel(request.baseModel ?? defaults.baseModel),
    revision: checkRevision(request.revision ?? ''),
    hyperparameters,
    ggufQuantization: ggufQuantizationOf(request),
  };
  if (request.projectPath !== undefined && request.trainingFile !== undefined) throw invalid('training_file', 'give either training_file or project_path, not both');
  const key = reservationKey(context);
  if (key !== undefined) {
    const known = (await ledger.refresh(reservationAggregate, key)).state;
    // A body that differs is refused before anything else is looked at; a repeat needs no guardian.
    if (known.status === 'reserved') {
      const jobId = await reserve(deps, key, request, known.jobId);
      if ((await ledger.refresh(taskAggregate, jobId)).idempotencySha256 === key) return accepted(jobId);
    }
  }
  const source = await resolveSource(deps, project, request);
  const taskSpec = create(TaskSpecSchema, {
    kind: { case: 'train', value: { ...spec, source: { case: 'extract', value: { ...source, seed: hyperparameters.seed } } } },
  });

  const time = now();
  let jobId = jobIdAt(time);
  if (key !== undefined) jobId = await reserve(deps, key, request, jobId);
  for (let tries = 0; tries < maxTries; tries++) {
    if (await queue(ledger, jobId, project, taskSpec, { commandId: key ?? randomUUID(), actor: 'client', time, idempotencySha256: key })) return accepted(jobId);
    const next = withSuffix(jobIdAt(time));
    if (key === undefined) {
      jobId = next;
    } else {
      const meta = { commandId: randomUUID(), actor: 'gateway', time: now() };
      const { state } = await ledger.execute(reservationAggregate, key, { type: 'move', from: jobId, to: next }, meta);
      jobId = state.status === 'reserved' ? state.jobId : next;
    }
  }
  throw new ForgeError('version_conflict', 'no free job id could be had: try again');
}

/** The guardian knows one path; an error names the field that the client gave it in. */
async function resolveSource({ resolve }: SubmitDeps, projectName: string, request: CreateFineTuneRequest) {
  try {
    return await resolve({ projectName, projectPath: pathOf(request) });
  } catch (error) {
    if (request.trainingFile === undefined || !isForgeError(error) || error.field !== 'project_path') throw error;
    throw new ForgeError(error.code, error.message.replaceAll('project_path', 'training_file'), { field: 'training_file', cause: error });
  }
}

/** @returns false when the id is another job's */
async function queue(ledger: Ledger, jobId: string, project: string, spec: TaskSpec, meta: Omit<CommandMeta, 'idempotencySha256'> & { idempotencySha256: string | undefined }): Promise<boolean> {
  try {
    const command = { type: 'queue', kind: TaskKind.TRAIN, project, spec, after: `${jobId}.extract`, maxAttempts } as const;
    const { version } = await ledger.execute(taskAggregate, jobId, command, { ...meta, idempotencySha256: meta.idempotencySha256 ?? '' });
    // Who asks for its status next must find it.
    await ledger.waitFor(version);
    return true;
  } catch (error) {
    if (!isForgeError(error, 'already_exists')) throw error;
    const head = await ledger.refresh(taskAggregate, jobId);
    return meta.idempotencySha256 !== undefined && head.idempotencySha256 === meta.idempotencySha256;
  }
}

/** @returns id of the job that the key stands for. @throws ForgeError idempotency_conflict */
async function reserve({ ledger, now = Date.now }: SubmitDeps, key: string, request: CreateFineTuneRequest, jobId: string): Promise<string> {
  const bodySha256 = sha256Hex(toJsonString(CreateFineTuneRequestSchema, request));
  const meta = { commandId: randomUUID(), actor: 'client', time: now() };
  const { state } = await ledger.execute(reservationAggregate, key, { type: 'reserve', bodySha256, jobId }, meta);
  return state.status === 'reserved' ? state.jobId : jobId;
}

function reservationKey({ idempotencyKey, caller }: Pick<CallContext, 'idempotencyKey' | 'caller'>): string | undefined {
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
