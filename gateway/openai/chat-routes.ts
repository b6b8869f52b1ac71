import type { InferenceBackend } from '../inference/backend.ts';
import { modelLost } from '../inference/openai-answer.ts';
import { readAll } from '../inference/upstream-http.ts';
import { parseChatRequest } from './chat-request.ts';
import { withDetail } from './errors.ts';
import type { ModelDirectory } from './model-directory.ts';
import { resolveModel } from './models.ts';
import { relay } from './relay.ts';
import { readBody } from './request-body.ts';
import type { OpenAiRoute } from './routes.ts';
import { sendOpenAi } from './send.ts';
import { spliceRequestModel } from './splice-request.ts';

/** Chat as a proxy: bytes pass through, only the value of `model` is changed. */
export function createChatRoutes(deps: { backend: () => InferenceBackend; models: ModelDirectory }): OpenAiRoute[] {
  const { models } = deps;
  return [
    {
      verb: 'POST',
      path: '/v1/chat/completions',
      async handle({ request, response }) {
        const gone = new AbortController();
        response.on('close', () => response.writableFinished || gone.abort());
        const body = await readBody(request);
        const head = parseChatRequest(body);
        const model = resolveModel(models, head.model);
        const answer = await deps.backend().send('chat/completions', spliceRequestModel(body, model.backendName), gone.signal);
        if (answer.status < 400) return relay(answer, response, model.name, gone.signal);
        const said = new TextDecoder().decode(await readAll(answer.body, 1024 * 1024, 'The inference backend'));
        if (answer.status === 404) throw modelLost(model);
        sendOpenAi(response, answer.status, withDetail(answer.status, said.replaceAll(model.backendName, model.name)));
      },
    },
  ];
}
