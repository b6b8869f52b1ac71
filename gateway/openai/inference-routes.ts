import { knownFailure } from '../inference/backend-failure.ts';
import type { BackendResponse, InferenceBackend, OpenAiEndpoint } from '../inference/backend.ts';
import { CancelSource } from '../inference/cancel.ts';
import { readAll } from '../inference/upstream-http.ts';
import { onClosed } from '../port/response.ts';
import { parseChatRequest } from './chat-request.ts';
import { parseCompletionRequest } from './completion-request.ts';
import { parseEmbeddingRequest } from './embedding-request.ts';
import { withDetail } from './errors.ts';
import type { ModelDirectory } from './model-directory.ts';
import { resolveModel } from './models.ts';
import { relay } from './relay.ts';
import { readBody } from './request-body.ts';
import type { RequestHead } from './request-fields.ts';
import { parseResponsesRequest } from './responses-request.ts';
import type { OpenAiCall, OpenAiRoute } from './routes.ts';
import { sendOpenAi } from './send.ts';
import { spliceRequestModel } from './splice-request.ts';
import { refuseUnsupported } from './unsupported.ts';

const errorLimitBytes = 1024 * 1024;

/** How each endpoint's request is checked. @throws ForgeError invalid_argument */
const parsers: Readonly<Record<OpenAiEndpoint, (body: Uint8Array) => RequestHead>> = {
  'chat/completions': parseChatRequest,
  completions: parseCompletionRequest,
  embeddings: parseEmbeddingRequest,
  responses: parseResponsesRequest,
};

/**
 * What models answer to, as a proxy: bytes pass through, only the value of `model` is changed.
 * @param deps `bodyBytes`: of the largest request
 */
export function createInferenceRoutes(deps: { backend: () => InferenceBackend; models: ModelDirectory; bodyBytes?: number }): OpenAiRoute[] {
  const { models } = deps;
  const handle = async (endpoint: OpenAiEndpoint, { request, response }: OpenAiCall): Promise<void> => {
    const gone = new CancelSource();
    onClosed(response, () => response.writableFinished || gone.abort());
    const body = await readBody(request, deps.bodyBytes);
    const head = parsers[endpoint](body);
    const model = await resolveModel(models, head.model);
    const backend = deps.backend();
    refuseUnsupported(backend.kind, endpoint, head.fields);
    const answer = await backend.send(endpoint, spliceRequestModel(body, model.backendName), gone);
    if (answer.status < 400) return relay(answer, response, model.name, gone, endpoint === 'responses' ? 'responses' : 'plain');
    await sendFailure({ response }, answer, endpoint, model);
  };
  return (Object.keys(parsers) as OpenAiEndpoint[]).map((endpoint) => ({ verb: 'POST', path: `/v1/${endpoint}`, handle: (call) => handle(endpoint, call) }));
}

/** @throws ForgeError where the backend says what clients have to be able to tell apart */
async function sendFailure({ response }: Pick<OpenAiCall, 'response'>, answer: BackendResponse, endpoint: OpenAiEndpoint, model: { name: string; backendName: string }): Promise<void> {
  const said = Buffer.from(await readAll(answer.body, errorLimitBytes, 'The inference backend')).toString().replaceAll(model.backendName, model.name);
  const known = knownFailure(answer.status, said, endpoint, model);
  // The packages would ask for what is not there again and again.
  if (known?.code === 'unimplemented') response.setHeader('x-should-retry', 'false');
  if (known !== undefined) throw known;
  const retryAfter = answer.headers['retry-after'];
  if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
  sendOpenAi(response, answer.status, withDetail(answer.status, said));
}
