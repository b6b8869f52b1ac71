import { createBackendModels } from './backend-models.ts';
import type { InferenceBackend } from './inference/backend.ts';
import type { ModelDirectory } from './openai/model-directory.ts';

/**
 * The names of a server that is not ours: AI Forge puts no models there, so its own list is the truth and any name is
 * passed on, for it to know or not.
 */
export function createUpstreamDirectory(backend: Pick<InferenceBackend, 'models'>): ModelDirectory & { refresh(): Promise<void> } {
  const { current, refresh } = createBackendModels(backend);
  return {
    refresh,
    resolve: (name) => ({ backendName: name }),
    active: () => current()[0]?.name,
    list: () => current().map(({ name, modifiedAt }) => ({ name, backendName: name, createdAt: modifiedAt })),
  };
}
