import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ForgeError } from '../../core/errors.ts';
import { JobStatus, type GetJobResponseSchema, type ListFineTunesRequest, type ListFineTunesResponseSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { hyperparametersOfTask } from '../../core/training/effective-batch.ts';
import type { Measured } from '../feed/newest-metrics.ts';
import { pageOf } from '../page.ts';
import { memoryNeeds } from './memory.ts';
import { wireStatus } from './wire-status.ts';

export type MeasuredOf = (jobId: string) => Measured | undefined;
type JobView = MessageInitShape<typeof GetJobResponseSchema>;

/** The job's task where it is known here, which it nearly always is. */
function knownJob(ledger: Ledger, jobId: string): Task | undefined {
  const { state } = ledger.head(taskAggregate, jobId);
  return state.status !== 'none' && state.kind === TaskKind.TRAIN ? state : undefined;
}

/** The job's task, read at the leader when it is not known here. @throws ForgeError not_found */
export async function findJob(ledger: Ledger, jobId: string): Promise<Task> {
  const known = knownJob(ledger, jobId);
  if (known !== undefined) return known;
  const { state } = await ledger.find(taskAggregate, jobId);
  if (state.status === 'none' || state.kind !== TaskKind.TRAIN) throw new ForgeError('not_found', `job_id: there is no job "${jobId.slice(0, 100)}"`, { field: 'job_id' });
  return state;
}

/** What clients see of a job. Step, epoch and loss are the last that were measured, and absent before. */
export function viewJob(task: Task, measured: Measured | undefined, ledger: Pick<Ledger, 'head'>): JobView {
  const hyperparameters = hyperparametersOfTask(task);
  const needs = memoryNeeds(task, ledger);
  const result = task.status === 'completed' && task.result.kind.case === 'train' ? task.result.kind.value : undefined;
  // A new attempt goes on from its checkpoint: what the one before measured after it does not count any more.
  const current = task.status === 'running' && measured?.attempt !== task.attempt.number ? undefined : measured;
  const step = result === undefined ? (current?.step ?? task.checkpoint?.step) : Number(result.steps);
  const epoch = result?.epochs ?? current?.epoch ?? task.checkpoint?.epoch;
  const total = task.totalSteps ?? current?.totalSteps;
  const loss = result?.finalLoss ?? current?.loss ?? task.checkpoint?.loss;
  return {
    jobId: task.id,
    status: wireStatus(task),
    progress: task.status === 'completed' ? 100 : step === undefined || !total ? 0 : Math.min(100, Math.round((step / total) * 1000) / 10),
    currentEpoch: epoch === undefined ? undefined : Math.max(1, Math.ceil(epoch)),
    currentStep: step === undefined ? undefined : BigInt(step),
    loss,
    createdAt: timestampFromMs(task.createdAt),
    updatedAt: timestampFromMs(task.updatedAt),
    requested: task.status === 'running' && task.requested !== 'none' ? task.requested : undefined,
    error: task.status === 'failed' ? `${task.code}: ${task.reason}` : undefined,
    attempt: task.status === 'running' ? task.attempt.number : task.ended.at(-1)?.number,
    projectName: task.project,
    memoryEstimate: needs === undefined ? undefined : { gpuBytes: BigInt(needs.gpu), cpuBytes: needs.cpu === undefined ? undefined : BigInt(needs.cpu) },
    batchSize: hyperparameters?.batchSize,
    gradientAccumulation: hyperparameters?.gradientAccumulation,
  };
}

/** Newest first; the page token is the id of the last job of the page before. */
export function listJobs(ledger: Ledger, measured: MeasuredOf, request: ListFineTunesRequest): MessageInitShape<typeof ListFineTunesResponseSchema> {
  const wanted = (task: Task): boolean =>
    (request.status === undefined || request.status === JobStatus.UNSPECIFIED || wireStatus(task) === request.status) &&
    (request.projectName === undefined || task.project === request.projectName);
  const jobs: Task[] = [];
  for (const [, task] of ledger.all(taskAggregate)) if (task.status !== 'none' && task.kind === TaskKind.TRAIN) jobs.push(task);
  jobs.reverse();
  const page = pageOf(jobs, request, (job) => job.id, wanted);
  return { jobs: page.items.map((job) => viewJob(job, measured(job.id), ledger)), nextPageToken: page.next };
}
