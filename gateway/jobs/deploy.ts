import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ForgeError } from '../../core/errors.ts';
import { modelAggregate } from '../../core/model/model.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { InferenceBackend } from '../inference/backend.ts';
import { awaitTask } from './await-task.ts';
import { completedJob, deployIdOf, deploySpec, ensureTask, expectCompleted, exportIdOf, exportSpec } from './follow-up.ts';
import { jobPaths, shownPath } from './paths.ts';

export interface DeployDeps {
  ledger: Ledger;
  backend: InferenceBackend;
  jobsDir: string;
  waitMs: number;
}

/**
 * Exports the job's model when that has not happened, creates it in the backend and moves `<project>:latest` to it.
 * Asked again, it waits for the same work; deploying what is deployed does nothing.
 */
export async function deploy(deps: DeployDeps, jobId: string, signal: AbortSignal) {
  const { ledger, backend, jobsDir, waitMs } = deps;
  const job = await completedJob(ledger, jobId, 'deployed');
  const alias = `${job.project}:latest`;
  if (!(await backend.available(signal))) throw new ForgeError('unavailable', `${backend.kind} is not running: start it, or set FORGE_INFERENCE`, { retryAfterSeconds: 5 });
  const gguf = join(jobPaths(jobsDir, jobId).export, 'model.gguf');
  const answer = { jobId, success: true, modelName: alias, ggufPath: shownPath(gguf) };
  if (await isServing(deps, job, signal)) return answer;

  const spec = job.spec.kind.case === 'train' ? job.spec.kind.value : undefined;
  const exportId = exportIdOf(jobId);
  await ensureTask(ledger, exportId, job.project, exportSpec(jobId, spec?.ggufQuantization ?? ''));
  const taskId = nextDeploy(ledger, jobId);
  // The request comes first: a task that ran without one would not move the alias.
  await ledger.execute(modelAggregate, job.project, { type: 'request-deploy', jobId, taskId }, { commandId: randomUUID(), actor: 'client', time: Date.now() });
  await ensureTask(ledger, taskId, job.project, deploySpec(jobId, alias), { after: exportId });
  const deployed = expectCompleted(await awaitTask(ledger, taskId, waitMs, signal), 'the deployment');
  // What the task did to the alias must be seen by who asks next.
  await ledger.catchUp(signal);
  const { target } = (await ledger.refresh(modelAggregate, job.project)).state;
  if (deployed.result.kind.case === 'deploy' && !deployed.result.kind.value.promoted && target !== jobId) {
    throw new ForgeError('version_conflict', `${job.project}:${jobId} is there, but a later deployment was asked for meanwhile: ${alias} points to ${target ?? 'nothing'} now`);
  }
  return answer;
}

async function isServing({ ledger, backend, jobsDir }: DeployDeps, job: Task, signal: AbortSignal): Promise<boolean> {
  const model = (await ledger.refresh(modelAggregate, job.project)).state;
  const version = model.versions.find((one) => one.jobId === job.id);
  if (model.target !== job.id || model.requested?.jobId !== job.id || version?.backend !== backend.kind) return false;
  const name = `${job.project}:${job.id}`;
  const there = (await backend.models(signal)).some((one) => one.name === name);
  return there && (await stat(join(jobPaths(jobsDir, job.id).export, 'model.gguf')).catch(() => undefined)) !== undefined;
}

/** The deploy that is under way or can be tried again, else a new one: `.deploy`, `.deploy.2`, ... */
function nextDeploy(ledger: Ledger, jobId: string): string {
  for (let n = 1; ; n++) {
    const id = n === 1 ? deployIdOf(jobId) : `${deployIdOf(jobId)}.${n}`;
    const { status } = ledger.head(taskAggregate, id).state;
    if (status !== 'completed') return id;
  }
}
