import { join } from 'node:path';
import type { Config } from '../../core/config.ts';
import type { Logger } from '../../core/logger.ts';
import type { InferenceBackend } from './backend.ts';
import { createAutoBackend } from './auto.ts';
import { createEmbeddedBackend } from './embedded/backend.ts';
import { createOllamaBackend } from './ollama.ts';
import { createUpstreamBackend } from './upstream.ts';

/** The backend that FORGE_INFERENCE names. Its being away is no error here: `available` tells. */
export async function createInference(config: Pick<Config, 'inference' | 'inferenceKey' | 'ollamaUrl' | 'dataDir' | 'threads'>, logger: Logger): Promise<InferenceBackend> {
  const embedded = () => createEmbeddedBackend({ modelsDir: join(config.dataDir, 'embedded'), threads: config.threads, logger });
  switch (config.inference) {
    case 'ollama':
      return createOllamaBackend(config.ollamaUrl);
    case 'embedded': {
      const backend = embedded();
      backend.start();
      return backend;
    }
    case 'auto': {
      const backend = createAutoBackend(createOllamaBackend(config.ollamaUrl), embedded(), logger);
      // The engine, if it is that, starts now and not with the first request.
      await backend.available(AbortSignal.timeout(1_000));
      return backend;
    }
    default:
      return createUpstreamBackend(config.inference, config.inferenceKey);
  }
}
