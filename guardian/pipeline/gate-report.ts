import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { getTree, putTree } from '../../core/blobs/tree.ts';
import { ForgeError, isForgeError } from '../../core/errors.ts';
import type { GateCheck } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import type { EvaluateResult } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { PipelineCommand } from '../../core/pipeline/commands.ts';
import { decideGate } from '../../core/pipeline/gate.ts';
import { stepOf, type Pipeline } from '../../core/pipeline/state.ts';
import { TaskFailure } from '../../core/worker/task-runner.ts';

/**
 * Decides on the evaluation, and stores its report with the verdict. Done again it gives the same.
 * @throws TaskFailure input_missing
 */
export async function judge(pipeline: Pipeline, blobs: BlobStore, workDir: string): Promise<Extract<PipelineCommand, { type: 'decide-gate' }>> {
  const dir = join(workDir, `${pipeline.id}.gate`);
  try {
    const result = evaluation(pipeline);
    const { gate, referenceJobId } = pipeline.plan;
    const verdict = decideGate(result, gate!, referenceJobId);
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
    await getTree(blobs, result.reportDigest, dir);
    const report = join(dir, 'report.md');
    await writeFile(report, `${(await readFile(report, 'utf8')).trimEnd()}\n\n${gateSection(pipeline, verdict)}`);
    return { type: 'decide-gate', ...verdict, reportDigest: await putTree(blobs, dir) };
  } catch (error) {
    // What is not in the store, or not as it was put there, is not there later either.
    if (isForgeError(error) || (error as NodeJS.ErrnoException).code === 'ENOENT') throw new TaskFailure('input_missing', `the evaluation's report can't be read: ${(error as Error).message}`, false, { cause: error });
    throw error;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function gateSection(pipeline: Pipeline, { passed, checks }: { passed: boolean; checks: readonly GateCheck[] }): string {
  const { id, plan } = pipeline;
  const jobId = stepOf(pipeline, 'train')?.result?.taskId ?? '';
  const rows = checks.map((check) => `| ${check.name} | ${check.passed ? 'passed' : 'refused'} | ${check.message.replaceAll('|', '\\|')} |`);
  return [
    '## Gate',
    '',
    passed ? 'The new model may be deployed.' : `The new model is not deployed by its pipeline. To deploy it by hand: \`POST /deploy/${jobId}\`.`,
    '',
    '| check | verdict | figures |',
    '|---|---|---|',
    ...rows,
    '',
    `Pipeline ${id}, commit ${plan.source?.commit ?? ''}.`,
    '',
  ].join('\n');
}

function evaluation(pipeline: Pipeline): EvaluateResult {
  const result = stepOf(pipeline, 'evaluate')?.result?.kind;
  if (result?.case !== 'task' || result.value.kind.case !== 'evaluate') throw new ForgeError('internal', `${pipeline.id} was not evaluated`);
  return result.value.kind.value;
}
