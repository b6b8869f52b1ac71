import type { BackendModel, InferenceBackend } from './inference/backend.ts';

const freshMs = 2_000;
const readMs = 1_000;

/** What a backend has, as it was seen last. */
export interface BackendModels {
  /** Read again in the background when it is asked for and no longer fresh. */
  current(): readonly BackendModel[];
  /** Reads it now; two at once read once. Never throws. */
  refresh(): Promise<void>;
}

export function createBackendModels(backend: Pick<InferenceBackend, 'models'>): BackendModels {
  let known: BackendModel[] = [];
  let readAt = -Infinity;
  let reading: Promise<void> | undefined;

  const refresh = (): Promise<void> => {
    reading ??= backend
      .models(AbortSignal.timeout(readMs))
      .then(
        (models) => { known = models; },
        // While it is away its last list stands; a request for a model will say that it is away.
        () => {},
      )
      .finally(() => {
        readAt = performance.now();
        reading = undefined;
      });
    return reading;
  };
  return {
    refresh,
    current() {
      if (performance.now() - readAt > freshMs) void refresh();
      return known;
    },
  };
}
