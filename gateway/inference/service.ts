import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ForgeError, invalid } from '../../core/errors.ts';
import type { ChatRequest, CompleteRequest, InferenceService } from '../../core/gen/aiforge/v1/inference_pb.ts';
import type { Implementation } from '../method.ts';
import type { ModelDirectory } from '../openai/model-directory.ts';
import { resolveModel } from '../openai/models.ts';
import { parseChatRequest } from '../openai/chat-request.ts';
import { parseCompletionRequest } from '../openai/completion-request.ts';
import { parseEmbeddingRequest } from '../openai/embedding-request.ts';
import type { RequestHead } from '../openai/request-fields.ts';
import { refuseUnsupported } from '../openai/unsupported.ts';
import type { InferenceBackend, OpenAiEndpoint } from './backend.ts';
import { streamChat, wholeChat, wholeCompletion, wholeEmbeddings } from './openai-answer.ts';

const roleless = 'user';

/** InferenceService over the same backends as the OpenAI lane; token counts are the backend's own. */
export function createInferenceService(deps: { backend: () => InferenceBackend; models: ModelDirectory }): Implementation<typeof InferenceService> {
  const { backend, models } = deps;

  /** Checks a request as the lane does, and finds its model. */
  const prepare = async (endpoint: OpenAiEndpoint, parse: (body: Uint8Array) => RequestHead, asked: string | undefined, request: Record<string, unknown>) => {
    const { fields } = parse(Buffer.from(JSON.stringify(request)));
    const model = await resolveModel(models, asked || undefined);
    refuseUnsupported(backend().kind, endpoint, fields);
    return { model, body: Buffer.from(JSON.stringify({ ...request, model: model.backendName })) };
  };
  const prepareChat = (chat: ChatRequest | undefined, stream: boolean) => {
    if (chat === undefined) throw invalid('chat', 'is required');
    return prepare('chat/completions', parseChatRequest, chat.model, toOpenAi(chat, stream));
  };

  return {
    async listModels(_request, context) {
      const sizes = new Map((await backend().models(context.signal)).map((model) => [model.name, model]));
      // What the backend does not have is not served, whatever was deployed once; a size that it does not tell is absent.
      const listed = models.list().flatMap((model) => {
        const found = sizes.get(model.backendName);
        return found === undefined ? [] : [{ name: model.name, size: found.size === undefined ? undefined : BigInt(found.size), modifiedAt: timestampFromDate(found.modifiedAt) }];
      });
      return { models: listed, activeModel: models.active() ?? '' };
    },

    async query(request, context) {
      if (request.prompt === '') throw invalid('prompt', 'is required');
      const { model, body } = await prepare('chat/completions', parseChatRequest, request.model, { ...sampling(request), messages: [{ role: roleless, content: request.prompt }], stream: false });
      const answer = await wholeChat(backend(), body, model, context.signal);
      return { response: answer.choices[0]?.message.content ?? '', model: model.name, tokensUsed: BigInt(answer.usage.total_tokens) };
    },

    async chat(request, context) {
      const { model, body } = await prepareChat(request, false);
      const answer = await wholeChat(backend(), body, model, context.signal);
      return {
        id: answer.id,
        object: 'chat.completion',
        created: BigInt(answer.created),
        model: model.name,
        choices: answer.choices.map((choice) => ({ index: choice.index, message: { role: choice.message.role, content: choice.message.content ?? '' }, finishReason: choice.finish_reason ?? '' })),
        usage: usage(answer.usage),
      };
    },

    async *chatStream(request, context) {
      const { model, body } = await prepareChat(request.chat, true);
      for await (const chunk of streamChat(backend(), body, model, context.signal)) {
        const base = { id: chunk.id, model: model.name };
        for (const choice of chunk.choices) {
          yield { ...base, index: choice.index, content: choice.delta.content ?? '', ...(choice.finish_reason ? { finishReason: choice.finish_reason } : {}) };
        }
        if (chunk.usage) yield { ...base, usage: usage(chunk.usage) };
      }
    },

    async complete(request, context) {
      const { model, body } = await prepare('completions', parseCompletionRequest, request.model, { ...sampling(request), prompt: request.prompt, ...(request.suffix === undefined ? {} : { suffix: request.suffix }) });
      const answer = await wholeCompletion(backend(), body, model, context.signal);
      const choices = answer.choices.map((choice) => ({ index: choice.index, text: choice.text, finishReason: choice.finish_reason ?? '' }));
      return { id: answer.id, created: BigInt(answer.created), model: model.name, choices, usage: usage(answer.usage) };
    },

    async embed(request, context) {
      const { model, body } = await prepare('embeddings', parseEmbeddingRequest, request.model, { input: request.input, ...(request.dimensions === undefined ? {} : { dimensions: request.dimensions }), encoding_format: 'float' });
      const answer = await wholeEmbeddings(backend(), body, model, context.signal);
      const embeddings = answer.data.map(({ index, embedding }) => ({ index, values: embedding }));
      return { model: model.name, embeddings, usage: usage({ ...answer.usage, completion_tokens: 0 }) };
    },
  };
}

type Sampling = Pick<CompleteRequest, 'temperature' | 'maxTokens'> & Partial<Pick<CompleteRequest, 'topP' | 'seed' | 'stop'>>;

/** Only what was given: an absent field takes the backend's default. */
function sampling({ temperature, maxTokens, topP, seed, stop = [] }: Sampling): Record<string, unknown> {
  if (seed !== undefined && seed > BigInt(Number.MAX_SAFE_INTEGER)) throw new ForgeError('invalid_argument', `seed: at most ${Number.MAX_SAFE_INTEGER}`, { field: 'seed' });
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(stop.length === 0 ? {} : { stop }),
  };
}

function toOpenAi(chat: ChatRequest, stream: boolean): Record<string, unknown> {
  return {
    ...sampling(chat),
    messages: chat.messages.map(({ role, content }) => ({ role, content })),
    stream,
    ...(stream ? { stream_options: { include_usage: true } } : {}),
  };
}

function usage(counted: { prompt_tokens: number; completion_tokens: number; total_tokens: number }) {
  return { promptTokens: BigInt(counted.prompt_tokens), completionTokens: BigInt(counted.completion_tokens), totalTokens: BigInt(counted.total_tokens) };
}
