import type { FineTuningService } from '../../core/gen/aiforge/v1/fine_tuning_pb.ts';
import { control } from '../jobs/control.ts';
import { findJob } from '../jobs/query.ts';
import type { Implementation } from '../method.ts';
import { listFineTuningCheckpoints } from './checkpoints.ts';
import { createFineTuning } from './create.ts';
import type { FineTuningDeps } from './deps.ts';
import { listFineTuningEvents } from './events.ts';
import { listFineTunings } from './list.ts';
import { viewFineTuning } from './view.ts';

/** OpenAI's fine-tuning over the same jobs as JobService's. */
export function createFineTuningService(deps: FineTuningDeps): Implementation<typeof FineTuningService> {
  const { ledger } = deps;
  const view = async (id: string) => ({ job: viewFineTuning(await findJob(ledger, id), deps) });
  const controlled = (verb: Parameters<typeof control>[2]) => async ({ id }: { id: string }) => {
    await control(ledger, id, verb);
    return view(id);
  };
  return {
    createFineTuningJob: async (request, context) => view(await createFineTuning(deps, request, context)),
    listFineTuningJobs: async (request) => listFineTunings(deps, request),
    getFineTuningJob: ({ id }) => view(id),
    cancelFineTuningJob: controlled('cancel'),
    pauseFineTuningJob: controlled('pause'),
    resumeFineTuningJob: controlled('resume'),
    listFineTuningEvents: (request) => listFineTuningEvents(deps, request),
    listFineTuningCheckpoints: (request) => listFineTuningCheckpoints(deps, request),
  };
}
