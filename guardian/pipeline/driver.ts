import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { isForgeError } from '../../core/errors.ts';
import type { StepRequest, StepResult } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import type { Logger } from '../../core/logger.ts';
import type { PipelineCommand } from '../../core/pipeline/commands.ts';
import { nextAction, type Action } from '../../core/pipeline/next-action.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { isOver, type Pipeline, type PipelineState, type Step } from '../../core/pipeline/state.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { planClaimed } from '../retrain/start.ts';
import { sendStep } from './send-step.ts';

const retryMs = 300;

export interface DriverDeps {
  ledger: Ledger;
  nats: NatsConnection;
  /** Looks at a dataset. @throws TaskFailure when it is no good; the signal's reason */
  validate(request: StepRequest, signal: AbortSignal): Promise<StepResult>;
  /** What the gate says of the evaluation that is completed, with the report that was stored. */
  gate(pipeline: Pipeline): Promise<Extract<PipelineCommand, { type: 'decide-gate' }>>;
  /** A project's pipeline has ended: what waited for that is due. */
  onEnded(project: string): void;
  logger: Logger;
}

/**
 * Drives all pipelines to their end, each by one action after the other that follows from events alone. Whatever dies,
 * the next start goes on from what the stream says.
 */
export function createDriver(deps: DriverDeps): { start(): void; stop(): Promise<void> } {
  const { ledger, nats, logger } = deps;
  const stopped = new AbortController();
  /** Which pipeline a task stands for. */
  const pipelineOfTask = new Map<string, string>();
  const running = new Map<string, { again: boolean; done: Promise<void> }>();
  let stopListening = (): void => {};

  const execute = (id: string, command: PipelineCommand) => ledger.execute(pipelineAggregate, id, command, { commandId: randomUUID(), actor: 'guardian', time: Date.now() });
  const lookup = (taskId: string) => ledger.head(taskAggregate, taskId);

  async function settleSend(id: string, step: Step, request: StepRequest): Promise<boolean> {
    const answer = await sendStep(nats, request);
    if (answer === undefined) return false;
    const about = { step: step.name, try: step.try };
    if (answer.errorCode !== '') await execute(id, { type: 'fail-step', ...about, code: answer.errorCode, reason: answer.errorMessage, retryable: false });
    else {
      // The task is looked at next: what is known of it must not be from before this try, when it had failed.
      await ledger.catchUp(stopped.signal);
      await execute(id, { type: 'accept-step', ...about, taskId: answer.taskId });
    }
    return true;
  }

  async function validate(id: string, step: Step, request: StepRequest): Promise<void> {
    const about = { step: step.name, try: step.try };
    try {
      await execute(id, { type: 'complete-step', ...about, result: await deps.validate(request, stopped.signal) });
    } catch (error) {
      if (!(error instanceof TaskFailure)) throw error;
      await execute(id, { type: 'fail-step', ...about, code: error.code, reason: error.message, retryable: error.retryable });
    }
  }

  /** @returns false where it could not be done now */
  async function act(id: string, action: Exclude<Action, { type: 'wait' }>, pipeline: Pipeline): Promise<boolean> {
    switch (action.type) {
      case 'append':
        await execute(id, action.command);
        return true;
      case 'send':
        return settleSend(id, action.step, action.request);
      case 'control':
        if ((await sendStep(nats, action.request)) === undefined) return false;
        // What came of it stands in the task's events.
        await ledger.catchUp(stopped.signal);
        return true;
      case 'validate':
        await validate(id, action.step, action.request);
        return true;
      case 'gate':
        await execute(id, await deps.gate(pipeline));
        return true;
    }
  }

  async function drive(id: string): Promise<void> {
    while (!stopped.signal.aborted) {
      const { state } = ledger.head(pipelineAggregate, id);
      if (state.status !== 'none') for (const { taskId } of state.steps) if (taskId !== '') pipelineOfTask.set(taskId, id);
      const action = nextAction(state, lookup);
      if (action.type === 'wait') return isOver(state) ? end(id, state as Pipeline) : undefined;
      try {
        if (await act(id, action, state as Pipeline)) continue;
      } catch (error) {
        if (stopped.signal.aborted) return;
        if (!isForgeError(error, 'unavailable') && !isForgeError(error, 'version_conflict')) logger.error('a pipeline’s step could not be done; trying again', { id, action: action.type, error });
      }
      await setTimeout(retryMs, undefined, { signal: stopped.signal }).catch(() => {});
    }
  }

  async function end(id: string, { plan, status }: Pipeline): Promise<void> {
    if (ledger.head(projectAggregate, plan.project).state.active?.pipelineId !== id) return;
    await ledger.execute(projectAggregate, plan.project, { type: 'end-pipeline', pipelineId: id, status }, { commandId: `end:${id}`, actor: 'guardian', time: Date.now() });
    logger.info('a pipeline has ended', { id, project: plan.project, status });
    deps.onEnded(plan.project);
  }

  /** One at a time for each pipeline; what comes meanwhile is looked at afterwards. */
  function advance(id: string): void {
    const current = running.get(id);
    if (current !== undefined) {
      current.again = true;
      return;
    }
    const run = { again: false, done: Promise.resolve() };
    running.set(id, run);
    run.done = (async () => {
      do {
        run.again = false;
        await drive(id).catch(async (error: unknown) => {
          if (stopped.signal.aborted) return;
          logger.warn('a pipeline could not be driven on yet', { id, error: (error as Error).message });
          run.again = true;
          await setTimeout(retryMs, undefined, { signal: stopped.signal }).catch(() => {});
        });
      } while (run.again && !stopped.signal.aborted);
      running.delete(id);
    })();
  }

  /** The project's claim comes first; the pipeline follows from it. */
  async function begin(project: string): Promise<void> {
    const { active } = ledger.head(projectAggregate, project).state;
    if (active === undefined) return;
    const state: PipelineState = ledger.head(pipelineAggregate, active.pipelineId).state;
    const made = state.status !== 'none' && state.plan.project === project;
    advance(made ? active.pipelineId : (await planClaimed(ledger, active.plan, active.pipelineId)).pipelineId);
  }

  const beginSafely = (project: string): void => {
    void (async () => {
      while (!stopped.signal.aborted) {
        try {
          return await begin(project);
        } catch (error) {
          logger.warn('a pipeline could not be begun yet', { project, error: (error as Error).message });
          await setTimeout(retryMs, undefined, { signal: stopped.signal }).catch(() => {});
        }
      }
    })();
  };

  return {
    start() {
      stopListening = ledger.onApplied(({ stored }) => {
        if (stored.aggregate === pipelineAggregate.name) advance(stored.id);
        else if (stored.aggregate === projectAggregate.name) beginSafely(stored.id);
        else if (stored.aggregate === taskAggregate.name) {
          const id = pipelineOfTask.get(stored.id);
          if (id !== undefined) advance(id);
        }
      });
      for (const [name] of ledger.all(projectAggregate)) beginSafely(name);
    },
    async stop() {
      stopListening();
      stopped.abort();
      await Promise.allSettled([...running.values()].map(({ done }) => done));
    },
  };
}
