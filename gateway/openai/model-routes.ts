import type { DeleteModel, ModelDirectory } from './model-directory.ts';
import { openAiModel, openAiModels } from './models.ts';
import type { OpenAiRoute } from './routes.ts';
import { sendOpenAi } from './send.ts';

/** The models that there are. Names have slashes, so they take the rest of the path. */
export function createModelRoutes(models: ModelDirectory, deleteModel: DeleteModel): OpenAiRoute[] {
  return [
    { verb: 'GET', path: '/v1/models', handle: async ({ response }) => sendOpenAi(response, 200, await openAiModels(models)) },
    { verb: 'GET', path: '/v1/models/{model...}', handle: async ({ response, values }) => sendOpenAi(response, 200, await openAiModel(models, values['model']!)) },
    {
      verb: 'DELETE',
      path: '/v1/models/{model...}',
      async handle({ response, values }) {
        const gone = new AbortController();
        response.once('close', () => gone.abort());
        const id = values['model']!;
        await deleteModel(id, gone.signal);
        sendOpenAi(response, 200, { id, object: 'model', deleted: true });
      },
    },
  ];
}
