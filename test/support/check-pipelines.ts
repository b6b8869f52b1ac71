import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import { checkAttempts } from './check-attempts.ts';
import { checkAdmission, checkChain } from './check-stream.ts';

const allSteps = ['extract_data', 'validate_data', 'train', 'evaluate', 'export', 'deploy'];

/** What the stream says of one pipeline, counted here and not by the fold under test. */
interface Seen {
  requested: string[];
  completed: string[];
  ends: string[];
  gates: number;
  trained: string | undefined;
}

/**
 * Whether each pipeline that a client was told of has run once: each step asked for and completed once and in order, one
 * job, one gate, one end, and the alias moved to its model once. Looks only at the stream and at what was told.
 * @returns what is wrong, as sentences
 */
export function checkPipelines(history: readonly StoredEnvelope[], told: readonly string[]): string[] {
  const problems = [...checkChain(history), ...checkAdmission(history), ...checkAttempts(history)];
  const pipelines = new Map<string, Seen>();
  const started: string[] = [];
  const jobs: string[] = [];
  const moved: string[] = [];
  for (const { aggregate, id, envelope } of history) {
    for (const { kind } of envelope.events) {
      if (aggregate === 'project' && kind.case === 'pipelineStarted') started.push(kind.value.pipelineId);
      if (aggregate === 'task' && kind.case === 'taskQueued' && kind.value.kind === TaskKind.TRAIN) jobs.push(id);
      if (aggregate === 'model' && kind.case === 'aliasMoved') moved.push(kind.value.jobId);
      if (aggregate !== 'pipeline') continue;
      const seen = pipelines.get(id) ?? { requested: [], completed: [], ends: [], gates: 0, trained: undefined };
      pipelines.set(id, seen);
      if (kind.case === 'stepRequested') seen.requested.push(kind.value.request?.requestId ?? '');
      if (kind.case === 'stepCompleted') {
        seen.completed.push(kind.value.step);
        if (kind.value.step === 'train') seen.trained = kind.value.result?.taskId;
      }
      if (kind.case === 'gateDecided') seen.gates += 1;
      if (['pipelineCompleted', 'pipelineRefused', 'pipelineFailed', 'pipelineCancelled'].includes(kind.case ?? '')) seen.ends.push(kind.case!);
    }
  }
  if (started.join() !== told.join()) problems.push(`started were ${started.join(' ')}, told of were ${told.join(' ')}`);
  for (const id of told) {
    const seen = pipelines.get(id);
    if (seen === undefined) {
      problems.push(`${id} is not in the stream`);
      continue;
    }
    if (seen.completed.join() !== allSteps.join()) problems.push(`${id} completed ${seen.completed.join(' ')}`);
    if (seen.requested.join() !== allSteps.map((step) => `${id}:${step}:1`).join()) problems.push(`${id} asked for ${seen.requested.join(' ')}`);
    if (seen.ends.join() !== 'pipelineCompleted' || seen.gates !== 1) problems.push(`${id} ended as ${seen.ends.join(' ')} with ${seen.gates} gates`);
    if (seen.trained === undefined || moved.filter((job) => job === seen.trained).length !== 1) problems.push(`${id}: the alias moved to ${seen.trained} not once: ${moved.join(' ')}`);
  }
  if (jobs.length !== told.length || new Set(jobs).size !== jobs.length) problems.push(`${told.length} pipelines made the jobs ${jobs.join(' ')}`);
  return problems;
}
