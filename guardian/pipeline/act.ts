import { randomUUID } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import type { StepRequest, StepResult } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import type { Logger } from '../../core/logger.ts';
import type { PipelineCommand } from '../../core/pipeline/commands.ts';
import type { Action } from '../../core/pipeline/next-action.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import type { Pipeline, Step } from '../../core/pipeline/state.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { sendStep } from './send-step.ts';

/** So often in a row something is tried that fails in a way that nobody foresaw. */
const maxFailures = 5;

export interface ActDeps {
  ledger: Ledger;
  nats: NatsConnection;
  /** Looks at a dataset. @throws TaskFailure when it is no good; the signal's reason */
  validate(request: StepRequest, signal: AbortSignal): Promise<StepResult>;
  /**
   * What the gate says of the evaluation that is completed, with the report that was stored.
   * @throws TaskFailure when there can be no verdict
   */
  gate(pipeline: Pipeline): Promise<Extract<PipelineCommand, { type: 'decide-gate' }>>;
  logger: Logger;
}

/** Does what is due. @returns false where it could not be done now; @throws what may pass */
export type Act = (id: string, action: Exclude<Action, { type: 'wait' }>, pipeline: Pipeline) => Promise<boolean>;

/** @param signal aborts when the driver stops */
export function createAct({ ledger, nats, logger, ...deps }: ActDeps, signal: AbortSignal): Act {
  const failures = new Map<string, number>();
  const execute = (id: string, command: PipelineCommand) => ledger.execute(pipelineAggregate, id, command, { commandId: randomUUID(), actor: 'guardian', time: Date.now() });

  /** Counts a failure. @returns whether that is enough of them */
  function givesUp(key: string): boolean {
    const times = (failures.get(key) ?? 0) + 1;
    failures.set(key, times);
    return times >= maxFailures;
  }

  async function send(id: string, step: Step, request: StepRequest): Promise<boolean> {
    const answer = await sendStep(nats, request);
    if (answer === undefined) return false;
    const { errorCode: code, errorMessage: reason, taskId } = answer;
    if (code === 'internal' && !givesUp(request.requestId)) return false;
    failures.delete(request.requestId);
    const about = { step: step.name, try: step.try };
    if (code !== '') {
      await execute(id, { type: 'fail-step', ...about, code, reason, retryable: code === 'internal' });
      return true;
    }
    // The task is looked at next: what is known of it must not be from before this try, when it had failed.
    await ledger.catchUp(signal);
    await execute(id, { type: 'accept-step', ...about, taskId });
    return true;
  }

  async function control(request: StepRequest): Promise<boolean> {
    const answer = await sendStep(nats, request);
    if (answer === undefined || answer.errorCode !== '') return false;
    // What came of it stands in the task's events.
    await ledger.catchUp(signal);
    return true;
  }

  async function validate(id: string, step: Step, request: StepRequest): Promise<void> {
    const about = { step: step.name, try: step.try };
    const result = await deps.validate(request, signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      return asFailure(error);
    });
    if (!(result instanceof TaskFailure)) return void (await execute(id, { type: 'complete-step', ...about, result }));
    if (result.code === 'internal') logger.error('a dataset could not be looked at', { id, error: result.cause });
    await execute(id, { type: 'fail-step', ...about, code: result.code, reason: result.message, retryable: result.retryable });
  }

  async function gate(id: string, pipeline: Pipeline): Promise<void> {
    const verdict = await deps.gate(pipeline).catch((error: unknown) => {
      if (signal.aborted || (!(error instanceof TaskFailure) && !givesUp(`${id}:gate`))) throw error;
      const { code, message } = asFailure(error);
      return { type: 'fail-gate', code, reason: `evaluate: the gate can't decide: ${message}` } as const;
    });
    failures.delete(`${id}:gate`);
    await execute(id, verdict);
  }

  return async (id, action, pipeline) => {
    switch (action.type) {
      case 'append':
        await execute(id, action.command);
        return true;
      case 'send':
        return send(id, action.step, action.request);
      case 'control':
        return control(action.request);
      case 'validate':
        await validate(id, action.step, action.request);
        return true;
      case 'gate':
        await gate(id, pipeline);
        return true;
    }
  };
}

/** A disk that fails once may not fail again; what was foreseen says so itself. */
function asFailure(error: unknown): TaskFailure {
  return error instanceof TaskFailure ? error : new TaskFailure('internal', error instanceof Error ? error.message : String(error), true, { cause: error });
}
