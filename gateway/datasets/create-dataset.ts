import { create, toJsonString } from '@bufbuild/protobuf';
import { ForgeError, invalid } from '../../core/errors.ts';
import { CreateDatasetRequestSchema, type CreateDatasetRequest } from '../../core/gen/aiforge/v1/dataset_pb.ts';
import { JobStatus } from '../../core/gen/aiforge/v1/job_pb.ts';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { checkBaseModel, checkProjectName, checkRevision } from '../../core/training/names.ts';
import { createJob, repeatedJob } from '../jobs/create-job.ts';
import type { Resolve } from '../jobs/resolve.ts';
import { keyHash } from '../jobs/submit.ts';
import type { CallContext } from '../method.ts';

/** Queues an extraction, once for its Idempotency-Key. Nothing is created when anything is wrong. @throws ForgeError */
export async function createDataset({ ledger, resolve }: { ledger: Ledger; resolve: Resolve }, request: CreateDatasetRequest, context: Pick<CallContext, 'idempotencyKey' | 'caller'>) {
  const { projectName, projectPath } = request;
  if (projectName === undefined && projectPath === undefined) throw invalid('project_path', 'give project_path (a folder under the project roots) or project_name');
  if (projectName !== undefined && projectPath !== undefined) throw invalid('project_path', 'give either project_path or project_name, not both');
  if (projectPath === '') throw invalid('project_path', 'must not be empty');
  const name = projectName === undefined ? '' : checkProjectName(projectName);
  if ((request.seed ?? 0n) > 0xffff_ffffn) throw invalid('seed', 'must be from 0 to 4294967295');
  const baseModel = request.baseModel === undefined ? '' : checkBaseModel(request.baseModel);
  const revision = checkRevision(request.revision ?? '');
  const sha256 = keyHash(context);
  // A job's body may look the same: a key that stands for one makes no dataset.
  const key = sha256 === undefined ? undefined : { sha256, bodySha256: sha256Hex(JSON.stringify(['dataset', toJsonString(CreateDatasetRequestSchema, request)])) };
  // As with a job: a body that differs is refused before anything else is looked at, and a repeat needs no guardian.
  const repeated = key && (await repeatedJob(ledger, key, Date.now()));
  if (repeated !== undefined) return accepted(ledger, repeated);
  const { project, ...source } = await resolve({ projectName: name, projectPath: projectPath ?? '', ref: request.ref ?? '' });
  const spec = create(TaskSpecSchema, { kind: { case: 'extract', value: { ...source, seed: request.seed ?? 0n, recipe: request.recipe, baseModel, revision } } });
  return accepted(ledger, await createJob({ ledger }, { kind: TaskKind.EXTRACT, project, spec, after: '', actor: 'client' }, key));
}

/** Of the commit that it was queued with first, whatever the repository is at by now. */
function accepted(ledger: Ledger, datasetId: string) {
  const { state } = ledger.head(taskAggregate, datasetId);
  if (state.status === 'none' || state.spec.kind.case !== 'extract') throw new ForgeError('internal', `${datasetId} is no dataset`);
  return { datasetId, status: JobStatus.QUEUED, message: `Dataset queued, of commit ${state.spec.kind.value.commit}` };
}
