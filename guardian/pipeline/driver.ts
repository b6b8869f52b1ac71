import { setTimeout } from 'node:timers/promises';
import { isForgeError } from '../../core/errors.ts';
import { nextAction } from '../../core/pipeline/next-action.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { isOver, type Pipeline, type PipelineState } from '../../core/pipeline/state.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { planClaimed } from '../retrain/start.ts';
import { createAct, type ActDeps } from './act.ts';

const lastRetryMs = 10_000;

export interface DriverDeps extends ActDeps {
  /** A project's pipeline has ended: what waited for that is due. */
  onEnded(project: string): void;
  /** Before the first of several more tries. */
  firstRetryMs?: number;
}

interface Run {
  /** Something happened to the pipeline since it was looked at. */
  again: boolean;
  /** Ends the wait before another try. */
  wake(): void;
  done: Promise<void>;
}

/**
 * Drives all pipelines to their end, each by one action after the other that follows from events alone. Whatever dies,
 * the next start goes on from what the stream says.
 */
export function createDriver(deps: DriverDeps): { start(): void; stop(): Promise<void> } {
  const { ledger, logger, firstRetryMs = 300 } = deps;
  const stopped = new AbortController();
  const act = createAct(deps, stopped.signal);
  /** Which pipeline a task stands for. */
  const pipelineOfTask = new Map<string, string>();
  const running = new Map<string, Run>();
  let stopListening = (): void => {};

  const lookup = (taskId: string) => ledger.head(taskAggregate, taskId);

  async function drive(id: string, run: Run): Promise<void> {
    for (let tries = 0; !stopped.signal.aborted; tries += 1) {
      run.again = false;
      try {
        const { state } = ledger.head(pipelineAggregate, id);
        if (state.status !== 'none') for (const { taskId } of state.steps) if (taskId !== '') pipelineOfTask.set(taskId, id);
        const action = nextAction(state, lookup);
        if (action.type === 'wait') return isOver(state) ? await end(id, state as Pipeline) : undefined;
        if (await act(id, action, state as Pipeline)) {
          tries = -1;
          continue;
        }
      } catch (error) {
        if (stopped.signal.aborted) return;
        if (!isForgeError(error, 'unavailable') && !isForgeError(error, 'version_conflict')) logger.error('a pipeline’s step could not be done; trying again', { id, error });
      }
      await wait(run, tries);
    }
  }

  /** Until another try: longer each time, and at once where something has happened to the pipeline. */
  async function wait(run: Run, tries: number): Promise<void> {
    if (run.again) return;
    const woken = new AbortController();
    run.wake = () => woken.abort();
    await pause(tries, woken.signal);
  }

  async function pause(tries: number, woken?: AbortSignal): Promise<void> {
    const signal = woken === undefined ? stopped.signal : AbortSignal.any([stopped.signal, woken]);
    await setTimeout(Math.min(firstRetryMs * 2 ** tries, lastRetryMs), undefined, { signal }).catch(() => {});
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
      current.wake();
      return;
    }
    const run: Run = { again: false, wake: () => {}, done: Promise.resolve() };
    running.set(id, run);
    run.done = (async () => {
      do await drive(id, run);
      while (run.again && !stopped.signal.aborted);
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
      for (let tries = 0; !stopped.signal.aborted; tries += 1) {
        try {
          return await begin(project);
        } catch (error) {
          logger.warn('a pipeline could not be begun yet', { project, error: (error as Error).message });
          await pause(tries);
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
