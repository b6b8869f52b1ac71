import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { openAiError } from '../../openai/errors.ts';
import { readBody } from '../../openai/request-body.ts';
import { invalid, isForgeError } from '../../../core/errors.ts';
import type { CompletionEnd } from './completion.ts';
import { checkRoom, complete } from './completion.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { ModelCache } from './model-cache.ts';
import type { EmbeddedRequest } from './request.ts';
import { readChatRequest } from './request.ts';

/** POST /v1/chat/completions of the engine, in OpenAI's form. */
export async function chatRoute(request: IncomingMessage, response: ServerResponse, cache: ModelCache): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const chat = readChatRequest(await readBody(request));
  await cache.with(chat.model, async (loaded) => {
    const { tokens: prompt } = renderPrompt(loaded, chat);
    checkRoom(loaded, prompt);
    const sequence = await loaded.slots.take(gone.signal);
    try {
      const pieces = complete(loaded, sequence, prompt, chat.sampling, gone.signal);
      const answer = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: chat.model };
      if (chat.stream) await sendStream(response, chat, answer, pieces, prompt.length, gone.signal);
      else await sendWhole(response, answer, pieces, prompt.length);
    } finally {
      loaded.slots.giveBack(sequence);
    }
  });
}

function renderPrompt(loaded: LoadedModel, chat: EmbeddedRequest) {
  try {
    return loaded.render(chat.messages, true);
  } catch (error) {
    if (isForgeError(error)) throw error;
    // A template says why it refuses a conversation, e.g. that roles must alternate.
    throw invalid('messages', `the model's chat template refuses them: ${(error as Error).message}`);
  }
}

type Head = { id: string; created: number; model: string };

async function sendWhole(response: ServerResponse, head: Head, pieces: AsyncGenerator<string, CompletionEnd>, promptTokens: number): Promise<void> {
  let content = '';
  let step = await pieces.next();
  for (; !step.done; step = await pieces.next()) content += step.value;
  const body = JSON.stringify({
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: step.value.finishReason }],
    usage: usage(promptTokens, step.value),
  });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

async function sendStream(response: ServerResponse, chat: EmbeddedRequest, head: Head, pieces: AsyncGenerator<string, CompletionEnd>, promptTokens: number, signal: AbortSignal): Promise<void> {
  const send = async (data: unknown) => {
    if (!response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`)) await once(response, 'drain', { signal });
  };
  const chunk = (delta: object, finishReason: string | null) => ({
    id: head.id,
    object: 'chat.completion.chunk',
    created: head.created,
    model: head.model,
    choices: [{ index: 0, delta, finish_reason: finishReason }],
    ...(chat.includeUsage ? { usage: null } : {}),
  });
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  try {
    await send(chunk({ role: 'assistant', content: '' }, null));
    let step = await pieces.next();
    for (; !step.done; step = await pieces.next()) await send(chunk({ content: step.value }, null));
    await send(chunk({}, step.value.finishReason));
    if (chat.includeUsage) await send({ ...chunk({}, null), choices: [], usage: usage(promptTokens, step.value) });
    await send('[DONE]');
  } catch (error) {
    if (!signal.aborted) await send(openAiError(error).body);
    throw error;
  } finally {
    await pieces.return(undefined as never);
    response.end();
  }
}

function usage(promptTokens: number, { completionTokens }: CompletionEnd) {
  return { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens };
}
