import type { ModelDirectory } from './model-directory.ts';
import { openAiModel, openAiModels } from './models.ts';
import type { OpenAiRoute } from './routes.ts';
import { sendOpenAi } from './send.ts';

/** Reading the list of models. Names have slashes, so they take the rest of the path. */
export function createModelRoutes(models: ModelDirectory): OpenAiRoute[] {
  return [
    { verb: 'GET', path: '/v1/models', handle: async ({ response }) => sendOpenAi(response, 200, openAiModels(models)) },
    { verb: 'GET', path: '/v1/models/{model...}', handle: async ({ response, values }) => sendOpenAi(response, 200, await openAiModel(models, values['model']!)) },
  ];
}
