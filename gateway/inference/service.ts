import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ForgeError, invalid } from '../../core/errors.ts';
import type { ChatRequest, InferenceService } from '../../core/gen/aiforge/v1/inference_pb.ts';
import type { Implementation } from '../method.ts';
import type { ModelDirectory } from '../openai/model-directory.ts';
import { resolveModel } from '../openai/models.ts';
import { parseChatRequest } from '../openai/chat-request.ts';
import type { InferenceBackend } from './backend.ts';
import { streamChat, wholeChat } from './openai-answer.ts';

const roleless = 'user';

/** InferenceService over the same backends as the OpenAI lane; token counts are the backend's own. */
export function createInferenceService(deps: { backend: () => InferenceBackend; models: ModelDirectory }): Implementation<typeof InferenceService> {
  const { backend, models } = deps;

  const prepare = async (chat: ChatRequest | undefined, stream: boolean) => {
    if (chat === undefined) throw invalid('chat', 'is required');
    const body = Buffer.from(JSON.stringify(toOpenAi(chat, stream)));
    parseChatRequest(body);
    const model = await resolveModel(models, chat.model || undefined);
    return { model, body: Buffer.from(JSON.stringify({ ...toOpenAi(chat, stream), model: model.backendName })) };
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
      const chat = { ...fields(request), messages: [{ role: roleless, content: request.prompt }], stream: false };
      parseChatRequest(Buffer.from(JSON.stringify(chat)));
      const model = await resolveModel(models, request.model || undefined);
      const answer = await wholeChat(backend(), Buffer.from(JSON.stringify({ ...chat, model: model.backendName })), model, context.signal);
      return { response: answer.choices[0]?.message.content ?? '', model: model.name, tokensUsed: BigInt(answer.usage.total_tokens) };
    },

    async chat(request, context) {
      const { model, body } = await prepare(request, false);
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
      const { model, body } = await prepare(request.chat, true);
      for await (const chunk of streamChat(backend(), body, model, context.signal)) {
        const base = { id: chunk.id, model: model.name };
        for (const choice of chunk.choices) {
          yield { ...base, index: choice.index, content: choice.delta.content ?? '', ...(choice.finish_reason ? { finishReason: choice.finish_reason } : {}) };
        }
        if (chunk.usage) yield { ...base, usage: usage(chunk.usage) };
      }
    },
  };
}

/** Only what was given: an absent field takes the backend's default. */
function fields(request: { temperature?: number | undefined; maxTokens?: number | undefined }): Record<string, unknown> {
  return {
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.maxTokens === undefined ? {} : { max_tokens: request.maxTokens }),
  };
}

function toOpenAi(chat: ChatRequest, stream: boolean): Record<string, unknown> {
  if (chat.seed !== undefined && chat.seed > BigInt(Number.MAX_SAFE_INTEGER)) throw new ForgeError('invalid_argument', `seed: at most ${Number.MAX_SAFE_INTEGER}`, { field: 'seed' });
  return {
    ...fields(chat),
    messages: chat.messages.map(({ role, content }) => ({ role, content })),
    ...(chat.topP === undefined ? {} : { top_p: chat.topP }),
    ...(chat.seed === undefined ? {} : { seed: Number(chat.seed) }),
    ...(chat.stop.length === 0 ? {} : { stop: chat.stop }),
    stream,
    ...(stream ? { stream_options: { include_usage: true } } : {}),
  };
}

function usage(counted: { prompt_tokens: number; completion_tokens: number; total_tokens: number }) {
  return { promptTokens: BigInt(counted.prompt_tokens), completionTokens: BigInt(counted.completion_tokens), totalTokens: BigInt(counted.total_tokens) };
}
