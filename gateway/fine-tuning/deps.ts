import type { Ledger } from '../../core/store/ledger.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import type { createFeeds } from '../feed/feeds.ts';
import type { RunnableCheck } from '../jobs/runnable.ts';
import type { NewestMetrics } from '../feed/newest-metrics.ts';
import type { ResultFiles } from './result-files.ts';
import type { ServedModels } from './served-models.ts';

export interface FineTuningDeps {
  ledger: Ledger;
  store: EventStore;
  feeds: Pick<ReturnType<typeof createFeeds>, 'past'>;
  metrics: NewestMetrics;
  served: ServedModels;
  results: ResultFiles;
  /** Throws where no agent could ever run it. */
  runnable?: RunnableCheck;
  now?: () => number;
}
