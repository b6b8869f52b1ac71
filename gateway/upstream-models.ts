import type { BackendModel, InferenceBackend } from './inference/backend.ts';
import type { ModelDirectory } from './openai/model-directory.ts';

const freshMs = 2_000;
const readMs = 1_000;

/**
 * The names of a server that is not ours: AI Forge puts no models there, so its own list is the truth and any name is
 * passed on, for it to know or not. The list is read again in the background when it is asked for and no longer fresh.
 */
export function createUpstreamDirectory(backend: Pick<InferenceBackend, 'models'>): ModelDirectory & { refresh(): Promise<void> } {
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
  const current = (): BackendModel[] => {
    if (performance.now() - readAt > freshMs) void refresh();
    return known;
  };

  return {
    refresh,
    resolve: (name) => ({ backendName: name }),
    active: () => current()[0]?.name,
    list: () => current().map(({ name, modifiedAt }) => ({ name, backendName: name, createdAt: modifiedAt })),
  };
}
