import { randomUUID } from 'node:crypto';
import { isForgeError } from '../../core/errors.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { inSlices } from '../../core/in-slices.ts';
import type { Logger } from '../../core/logger.ts';
import type { CommandMeta } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { TaskCommand } from '../../core/task/commands.ts';
import { isTerminal, type Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { untilRecorded } from './until-recorded.ts';

/**
 * Keeps what belongs together in step, from events alone: makes the extract task of a job where it is missing, ends
 * what waits for a task that failed, and cancels an extraction whose job was cancelled. Any gateway may do it, after
 * any restart: ids are derived, and each move is decided on the aggregate.
 */
export function createFollowUps(deps: { ledger: Ledger; logger: Logger }): { start(): void; stop(): Promise<void> } {
  const { ledger, logger } = deps;
  const stopped = new AbortController();
  const underWay = new Set<Promise<void>>();
  let stopListening = (): void => {};
  let lookingBack = Promise.resolve();

  const record = async (id: string, command: TaskCommand, meta: CommandMeta, options: { atVersion?: number }): Promise<void> => {
    const execute = (): Promise<unknown> => ledger.execute(taskAggregate, id, command, meta, options).catch((error: unknown) => {
      // It has moved on, which will be looked at when it is known here.
      if (options.atVersion === undefined || !isForgeError(error, 'version_conflict')) throw error;
    });
    try {
      await untilRecorded(execute, stopped.signal, (why) => logger.warn('a follow-up could not be recorded yet', { id, command: command.type, error: why }));
    } catch (error) {
      // Another gateway was first, or things have moved on.
      if (!isForgeError(error, 'already_exists') && !isForgeError(error, 'wrong_state')) logger.error('a follow-up could not be recorded', { id, command: command.type, error });
    }
  };

  const run = (id: string, command: TaskCommand, options: { atVersion?: number } = {}): void => {
    const meta = { commandId: randomUUID(), actor: 'gateway', time: Date.now() };
    const work = record(id, command, meta, options).finally(() => underWay.delete(work));
    underWay.add(work);
  };

  const look = (task: Task): void => {
    const source = task.spec.kind.case === 'train' ? task.spec.kind.value.source : undefined;
    if (source?.case === 'extract') {
      const extract = ledger.head(taskAggregate, task.after).state;
      if (task.status === 'queued' && extract.status === 'none') {
        run(task.after, { type: 'queue', kind: TaskKind.EXTRACT, project: task.project, spec: { $typeName: 'aiforge.v1.TaskSpec', kind: source }, after: '', maxAttempts: task.maxAttempts });
      }
      if (task.status === 'cancelled' && extract.status !== 'none' && !isTerminal(extract)) run(task.after, { type: 'cancel', reason: `${task.id} was cancelled` });
    }
    if (task.after !== '' && (task.status === 'queued' || task.status === 'paused')) {
      const before = ledger.head(taskAggregate, task.after).state;
      // As it is known here: both may have been asked for again since, of which a gateway that lags behind does not know.
      const { state, version: atVersion } = ledger.head(taskAggregate, task.id);
      if (state !== task) return;
      if (before.status === 'failed') run(task.id, { type: 'abandon', outcome: 'failed', code: before.code, reason: `${task.after} failed: ${before.reason}` }, { atVersion });
      if (before.status === 'cancelled') run(task.id, { type: 'abandon', outcome: 'cancelled', code: '', reason: `${task.after} was cancelled` }, { atVersion });
    }
  };

  const lookAround = (task: Task): void => {
    look(task);
    if (!isTerminal(task)) return;
    for (const [, other] of ledger.open(taskAggregate)) if (other.status !== 'none' && other.after === task.id) look(other);
  };

  /** A gateway may have died between the end of a job and that of its extraction. */
  const lookBack = async (): Promise<void> => {
    for await (const [, task] of inSlices(ledger.all(taskAggregate))) {
      if (stopped.signal.aborted) return;
      if (task.status === 'cancelled') look(task);
    }
  };

  return {
    start() {
      stopListening = ledger.onApplied(({ stored, head }) => {
        if (stored.aggregate === taskAggregate.name) lookAround(head.state as Task);
      });
      for (const [, task] of ledger.open(taskAggregate)) if (task.status !== 'none') look(task);
      lookingBack = lookBack().catch((error: unknown) => logger.error('cancelled jobs could not be looked at', { error }));
    },
    async stop() {
      stopListening();
      stopped.abort();
      await lookingBack;
      await Promise.allSettled(underWay);
    },
  };
}
