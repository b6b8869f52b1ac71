import type { MessageInitShape } from '@bufbuild/protobuf';
import { agentAggregate, type AgentState } from '../../core/agent/agent.ts';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { hasTree } from '../../core/blobs/tree.ts';
import { isForgeError } from '../../core/errors.ts';
import { DrainMode } from '../../core/gen/aiforge/v1/fleet_pb.ts';
import { TaskKind, type TaskResult } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportOutcome, RequestedStop, type ReportRequest, type ReportResponseSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { SealedLog } from '../../core/task/commands.ts';
import { ReportRefused } from '../../core/task/decide-report.ts';
import type { TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { SealLog } from '../logs/seal.ts';

type Answer = MessageInitShape<typeof ReportResponseSchema>;

/** A process that died may have logged more than it could tell of. */
const logging: readonly TaskKind[] = [TaskKind.TRAIN, TaskKind.EVALUATE, TaskKind.EXPORT];

/** Decides a worker's report. One that names a blob is accepted only after the whole blob was seen. */
export async function answerReport(deps: { ledger: Ledger; blobs: BlobStore; sealLog?: SealLog }, workerId: string, report: ReportRequest): Promise<Answer> {
  const { ledger, blobs } = deps;
  try {
    for (const digest of treesOf(report)) {
      if (!(await hasTree(blobs, digest))) return { outcome: ReportOutcome.UNAVAILABLE, reason: `tree ${digest} is not whole in the blob store yet` };
    }
    const meta = { commandId: `report:${report.taskId}:${report.attempt}:${report.number}`, actor: `worker:${workerId}`, time: Date.now() };
    const log = await logOf(deps, workerId, report);
    const { state, changed } = await ledger.execute(taskAggregate, report.taskId, { type: 'report', workerId, report, ...(log === undefined ? {} : { log }) }, meta);
    return { outcome: changed ? ReportOutcome.ACCEPTED : ReportOutcome.DUPLICATE, requested: requestedOf(state, ledger.head(agentAggregate, workerId).state) };
  } catch (error) {
    if (error instanceof ReportRefused) return { outcome: error.refusal === 'gap' ? ReportOutcome.GAP : ReportOutcome.REFUSED, reason: error.message };
    // Sending it again would not mend it.
    if (isForgeError(error) && ['not_found', 'invalid_argument', 'internal', 'too_large'].includes(error.code)) return { outcome: ReportOutcome.REFUSED, reason: error.message };
    return { outcome: ReportOutcome.UNAVAILABLE, reason: (error as Error).message };
  }
}

/** The log of an attempt that this report ends; of one that is over already it would not be told. */
async function logOf({ ledger, sealLog }: { ledger: Ledger; sealLog?: SealLog }, workerId: string, report: ReportRequest): Promise<SealedLog | undefined> {
  if (sealLog === undefined || report.body.case === 'phase' || report.body.case === 'checkpoint') return undefined;
  const { state } = ledger.head(taskAggregate, report.taskId);
  if (state.status !== 'running' || state.attempt.number !== report.attempt || state.attempt.workerId !== workerId || state.attempt.bootId !== report.bootId) return undefined;
  if (report.logLines === 0n && !logging.includes(state.kind)) return undefined;
  return sealLog({ taskId: state.id, workerId, number: report.attempt }, Number(report.logLines));
}

/** What a user asked for, or an operator who wants the host free, and the worker has not yet done. */
export function requestedOf(state: TaskState, agent: AgentState): RequestedStop {
  if (state.status !== 'running') return RequestedStop.UNSPECIFIED;
  if (state.requested === 'none') return agent.status === 'draining' && agent.mode === DrainMode.CHECKPOINT ? RequestedStop.DRAIN : RequestedStop.UNSPECIFIED;
  return state.requested === 'pause' ? RequestedStop.PAUSE : RequestedStop.CANCEL;
}

function treesOf({ body }: ReportRequest): string[] {
  if (body.case === 'checkpoint') return [body.value.digest];
  if (body.case === 'completed') return treesOfResult(body.value.result);
  return [];
}

function treesOfResult(result: TaskResult | undefined): string[] {
  switch (result?.kind.case) {
    case 'extract': {
      const { datasetDigest, reportDigest } = result.kind.value;
      // Workers of an earlier version make no report.
      return reportDigest === '' ? [datasetDigest] : [datasetDigest, reportDigest];
    }
    case 'train':
      return [result.kind.value.adapterDigest];
    case 'evaluate':
      return [result.kind.value.reportDigest];
    case 'export':
      return [result.kind.value.exportDigest];
    default:
      return [];
  }
}
