import type { MessageInitShape } from '@bufbuild/protobuf';
import { agentAggregate } from '../../core/agent/agent.ts';
import { BeatVerdict_Verdict, type BeatRequest, type BeatVerdictSchema, type Running } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { requestedOf } from './report.ts';

type Verdict = MessageInitShape<typeof BeatVerdictSchema>;

/**
 * Tells a worker which of the attempts it runs are its own. "Not yours" is said only after a read at the stream's
 * leader; where that can't be had nothing is said, and silence means nothing.
 */
export async function answerBeat(ledger: Ledger, workerId: string, beat: BeatRequest): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const running of beat.running) {
    let state: TaskState = ledger.head(taskAggregate, running.taskId).state;
    if (!holds(state, workerId, beat.bootId, running)) {
      try {
        state = (await ledger.refresh(taskAggregate, running.taskId)).state;
      } catch {
        continue;
      }
    }
    const yours = holds(state, workerId, beat.bootId, running);
    verdicts.push({
      taskId: running.taskId,
      attempt: running.attempt,
      verdict: yours ? BeatVerdict_Verdict.YOURS : BeatVerdict_Verdict.NOT_YOURS,
      requested: yours ? requestedOf(state, ledger.head(agentAggregate, workerId).state) : undefined,
    });
  }
  return verdicts;
}

function holds(state: TaskState, workerId: string, bootId: string, running: Running): boolean {
  return state.status === 'running' && state.attempt.number === running.attempt && state.attempt.workerId === workerId && state.attempt.bootId === bootId;
}
