import { inSlices } from '../../core/in-slices.ts';
import type { Logger } from '../../core/logger.ts';
import { isForgotten } from '../../core/project/forgotten.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Task, TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { deployIdOf, deploySpec, exportIdOf, exportSpec, makeTask } from '../jobs/follow-up.ts';
import { untilRecorded } from '../scheduler/until-recorded.ts';
import type { ServedModels } from './served-models.ts';

/**
 * Has the models of OpenAI's jobs exported and put into the backend once they are trained, so that their names answer.
 * `<project>:latest` stays where it is: nobody asked for that to be moved. From events alone, so that any gateway may
 * do it after any restart; what failed is tried again by request (POST /deploy/{job_id}).
 */
export function createAutoDeploy(deps: { ledger: Ledger; served: ServedModels; logger: Logger }): { start(): void; stop(): Promise<void> } {
  const { ledger, served, logger } = deps;
  const stopped = new AbortController();
  const underWay = new Set<Promise<void>>();
  let stopListening = (): void => {};
  let lookingBack = Promise.resolve();

  const deploy = async (job: Task, quantization: string): Promise<void> => {
    const exportId = exportIdOf(job.id);
    // What is there is left alone: somebody may have cancelled it, which a gateway that lags behind does not know.
    await makeTask(ledger, exportId, job.project, exportSpec(job.id, quantization), { actor: 'gateway' });
    await makeTask(ledger, deployIdOf(job.id), job.project, deploySpec(job.id, `${job.project}:latest`), { after: exportId, actor: 'gateway' });
  };

  const look = (task: TaskState): void => {
    if (task.status !== 'completed' || task.spec.kind.case !== 'train' || task.spec.kind.value.fineTuning === undefined) return;
    if (isForgotten(ledger, task)) return;
    if (!served.canDeploy() || ledger.head(taskAggregate, deployIdOf(task.id)).state.status !== 'none') return;
    const { ggufQuantization } = task.spec.kind.value;
    const work = untilRecorded(() => deploy(task, ggufQuantization), stopped.signal, (why) => logger.warn('a trained model could not be deployed yet', { job: task.id, error: why }))
      .catch((error: unknown) => logger.error('a trained model could not be deployed', { job: task.id, error }))
      .finally(() => underWay.delete(work));
    underWay.add(work);
  };

  /** A gateway may have died before it did this for a job that was completed. */
  const lookBack = async (): Promise<void> => {
    for await (const [, task] of inSlices(ledger.all(taskAggregate))) {
      if (stopped.signal.aborted) return;
      look(task);
    }
  };

  return {
    start() {
      stopListening = ledger.onApplied(({ stored, head }) => {
        if (stored.aggregate === taskAggregate.name) look(head.state as TaskState);
      });
      lookingBack = lookBack().catch((error: unknown) => logger.error('completed jobs could not be looked at', { error }));
    },
    async stop() {
      stopListening();
      stopped.abort();
      await lookingBack;
      await Promise.allSettled(underWay);
    },
  };
}
