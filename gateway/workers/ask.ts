import type { MessageInitShape } from '@bufbuild/protobuf';
import { agentAggregate } from '../../core/agent/agent.ts';
import { isForgeError } from '../../core/errors.ts';
import { faultPoint } from '../../core/fault.ts';
import type { AskRequest, AskResponseSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { nextAttempt, type Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { memoryNeeds } from '../jobs/memory.ts';
import { choose, type Offer } from '../scheduler/choose.ts';
import { inputsOf } from '../scheduler/inputs.ts';
import type { Roster } from './roster.ts';

type Answer = MessageInitShape<typeof AskResponseSchema>;

/**
 * A worker with a free slot asks: picks a task, appends the start of its attempt at the version it read, and answers
 * with it. A repeated ask gets the same attempt, which is known for sure once all of the stream was applied.
 */
export async function answerAsk({ ledger, roster }: { ledger: Ledger; roster: Roster }, workerId: string, request: AskRequest): Promise<Answer> {
  await ledger.catchUp();
  const tasks: Task[] = [];
  for (const [, state] of ledger.open(taskAggregate)) if (state.status !== 'none') tasks.push(state);
  const held = tasks.find((task) => task.status === 'running' && task.attempt.workerId === workerId && task.attempt.bootId === request.bootId && task.attempt.askId === request.askId);
  if (held !== undefined) return assignment(ledger, held);

  if (ledger.head(agentAggregate, workerId).state.status !== 'open') return {};

  const lookup = (id: string) => ledger.head(taskAggregate, id).state;
  const gpu = roster.isGpu(workerId, request.slot);
  const offer: Offer = {
    kinds: request.kinds,
    gpu,
    fleetHasGpu: roster.hasGpu((id) => ledger.head(agentAggregate, id).state.status !== 'removed'),
    labels: request.labels,
    memoryBytes: roster.memoryOf(workerId, request.slot),
    workerId,
    others: roster.hasOther(workerId, request.kinds, (id) => ledger.head(agentAggregate, id).state.status === 'open'),
    needs: (task) => memoryNeeds(task, ledger)?.[gpu ? 'gpu' : 'cpu'],
  };
  for (const candidate of choose(tasks, offer, lookup, Date.now(), ledger.traces(taskAggregate))) {
    // Its command id names the attempt, so it is started as it was chosen or not at all.
    const { state: newest, version: atVersion } = ledger.head(taskAggregate, candidate.id);
    if (newest !== candidate) continue;
    try {
      // An ask whose attempt was lost before the worker heard of it may start the next one.
      const meta = { commandId: `ask:${workerId}:${request.bootId}:${request.askId}:${nextAttempt(candidate)}`, actor: `worker:${workerId}`, time: Date.now() };
      const command = { type: 'start', workerId, bootId: request.bootId, slot: request.slot, askId: request.askId, secretSha256: request.secretSha256 } as const;
      const { state } = await ledger.execute(taskAggregate, candidate.id, command, meta, { atVersion });
      faultPoint('gateway.ask.started');
      if (state.status === 'running' && state.attempt.askId === request.askId) return assignment(ledger, state);
    } catch (error) {
      // Another gateway was quicker: the next one.
      if (!isForgeError(error, 'wrong_state') && !isForgeError(error, 'version_conflict')) throw error;
    }
  }
  return {};
}

function assignment(ledger: Ledger, task: Task): Answer {
  if (task.status !== 'running') return {};
  return { assignment: { taskId: task.id, attempt: task.attempt.number, kind: task.kind, spec: task.spec, inputs: inputsOf(task, ledger) } };
}
