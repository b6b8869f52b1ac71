import { ForgeError, invalid } from '../../../core/errors.ts';
import type { TemplateMessage } from '../export-record.ts';
import { parseChatRequest } from '../../openai/chat-request.ts';
import type { Sampling } from './completion.ts';

export interface EmbeddedRequest {
  model: string;
  messages: TemplateMessage[];
  stream: boolean;
  includeUsage: boolean;
  sampling: Sampling;
}

/** Reads a chat request. What the engine can't do is refused, not left out. @throws ForgeError invalid_argument, unimplemented */
export function readChatRequest(body: Uint8Array): EmbeddedRequest {
  const { model, stream } = parseChatRequest(body);
  if (model === undefined) throw invalid('model', 'is required');
  const request = JSON.parse(Buffer.from(body).toString()) as Record<string, any>;
  refuseUnsupported(request);
  return {
    model,
    stream,
    includeUsage: request['stream_options']?.include_usage === true,
    messages: request['messages'].map(toTemplateMessage),
    sampling: {
      temperature: request['temperature'] ?? 1,
      topP: request['top_p'] ?? 1,
      seed: typeof request['seed'] === 'number' ? request['seed'] >>> 0 : undefined,
      frequencyPenalty: penalty(request, 'frequency_penalty'),
      presencePenalty: penalty(request, 'presence_penalty'),
      maxTokens: request['max_completion_tokens'] ?? request['max_tokens'] ?? undefined,
      stop: [request['stop'] ?? []].flat(),
    },
  };
}

function refuseUnsupported(request: Record<string, any>): void {
  const asked: [string, boolean][] = [
    ['tools', (request['tools']?.length ?? 0) > 0],
    ['functions', (request['functions']?.length ?? 0) > 0],
    ['n', (request['n'] ?? 1) !== 1],
    ['logprobs', request['logprobs'] === true],
    ['response_format', (request['response_format']?.type ?? 'text') !== 'text'],
  ];
  const field = asked.find(([, is]) => is)?.[0];
  if (field !== undefined) throw invalid(field, 'the embedded engine does not support this; leave it out or use Ollama');
}

function toTemplateMessage(message: { role: string; content: unknown }, index: number): TemplateMessage {
  const parts = Array.isArray(message.content) ? message.content : [{ type: 'text', text: message.content ?? '' }];
  if (!parts.every((part) => part.type === 'text' && typeof part.text === 'string')) throw invalid(`messages[${index}].content`, 'the embedded engine reads text parts only');
  // OpenAI's newer name of the same thing; templates know the older.
  const role = message.role === 'developer' ? 'system' : message.role;
  return { role, content: parts.map((part) => part.text).join('') };
}

function penalty(request: Record<string, unknown>, field: string): number {
  const value = request[field] ?? 0;
  if (typeof value !== 'number' || !(value >= -2 && value <= 2)) throw invalid(field, 'must be a number from -2 to 2');
  if (value < 0) throw new ForgeError('invalid_argument', `${field}: the embedded engine supports 0 to 2`, { field });
  return value;
}
