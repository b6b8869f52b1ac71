import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../../openai/request-body.ts';
import { invalid, isForgeError } from '../../../core/errors.ts';
import { chatForm } from './chat-form.ts';
import { sendChoices } from './choices.ts';
import { checkRoom, generate } from './generation.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { ModelCache } from './model-cache.ts';
import type { EmbeddedChatRequest } from './request.ts';
import { readChatRequest } from './request.ts';
import { grammarOf } from './response-format.ts';
import { checkBias, seedOf } from './sampling.ts';

/** POST /v1/chat/completions of the engine, in OpenAI's form. */
export async function chatRoute(request: IncomingMessage, response: ServerResponse, cache: ModelCache): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const chat = readChatRequest(await readBody(request));
  await cache.with(chat.model, gone.signal, async (loaded) => {
    const { sampling, maxTokens, scores } = chat;
    checkBias(sampling.bias, loaded.vocabularySize, (token) => loaded.model.isEogToken(token));
    const { tokens: prompt } = renderPrompt(loaded, chat);
    checkRoom(loaded, 'messages', prompt);
    const grammar = await grammarOf(loaded.model.llama, chat.format);
    await loaded.slots.lend(gone.signal, (sequence) =>
      sendChoices(
        response,
        {
          head: { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: chat.model },
          form: chatForm(scores !== undefined),
          choices: Array.from({ length: chat.n }, (_, i) => ({ start: () => generate(loaded, sequence, { prompt, sampling: seedOf(sampling, i), maxTokens, grammar, scores }, gone.signal) })),
          promptTokens: prompt.length,
          stream: chat.stream,
          includeUsage: chat.includeUsage,
        },
        gone.signal,
      ),
    );
  });
}

function renderPrompt(loaded: LoadedModel, chat: EmbeddedChatRequest) {
  try {
    return loaded.render(chat.messages, true);
  } catch (error) {
    if (isForgeError(error)) throw error;
    // A template says why it refuses a conversation, e.g. that roles must alternate.
    throw invalid('messages', `the model's chat template refuses them: ${(error as Error).message}`);
  }
}
