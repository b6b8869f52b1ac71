import { invalid } from '../../../core/errors.ts';
import { parseChatRequest } from '../../openai/chat-request.ts';
import type { TemplateMessage } from '../export-record.ts';
import { readFields, type Fields } from '../../openai/request-fields.ts';
import { readFlag, readInteger, readModel } from './fields.ts';
import type { Sampling } from './sampling.ts';
import { readSampling } from './sampling.ts';
import type { ResponseFormat } from './response-format.ts';
import { readResponseFormat } from './response-format.ts';
import { refuseUnsupported } from './unsupported.ts';

/** What chat and completions have in common. */
export interface GenerationRequest {
  model: string;
  stream: boolean;
  includeUsage: boolean;
  sampling: Sampling;
  /** Undefined: as long as the context lasts. */
  maxTokens: number | undefined;
  /** Answers to each prompt. */
  n: number;
  /** How many of the likeliest tokens to tell of each place; undefined: no scores. */
  scores: number | undefined;
}

export interface EmbeddedChatRequest extends GenerationRequest {
  messages: TemplateMessage[];
  format: ResponseFormat;
}

/** As many as OpenAI gives. */
const mostAnswers = 128;
const mostLikeliest = 20;

export function readGeneration(fields: Fields): Omit<GenerationRequest, 'maxTokens' | 'scores'> {
  return {
    model: readModel(fields),
    stream: readFlag(fields, 'stream'),
    includeUsage: (fields['stream_options'] as Fields | null | undefined)?.['include_usage'] === true,
    sampling: readSampling(fields),
    n: readInteger(fields, 'n', 1, mostAnswers) ?? 1,
  };
}

/** Reads a chat request. What the engine can't do is refused, not left out. @throws ForgeError invalid_argument */
export function readChatRequest(body: Uint8Array): EmbeddedChatRequest {
  parseChatRequest(body);
  const fields = readFields(body);
  refuseUnsupported('chat/completions', fields);
  const wantsScores = readFlag(fields, 'logprobs');
  const likeliest = readInteger(fields, 'top_logprobs', 0, mostLikeliest);
  if (likeliest !== undefined && !wantsScores) throw invalid('top_logprobs', 'needs logprobs to be true');
  const format = readResponseFormat(fields['response_format']);
  if (wantsScores && format.kind !== 'text') throw invalid('logprobs', 'the embedded engine does not give them together with response_format; leave one of them out');
  return {
    ...readGeneration(fields),
    maxTokens: readInteger(fields, 'max_completion_tokens', 1) ?? readInteger(fields, 'max_tokens', 1),
    scores: wantsScores ? (likeliest ?? 0) : undefined,
    messages: (fields['messages'] as ChatMessage[]).map(toTemplateMessage),
    format,
  };
}

interface ChatMessage {
  role: string;
  content?: unknown;
  tool_calls?: unknown[] | null;
  function_call?: unknown;
}

function toTemplateMessage(message: ChatMessage, index: number): TemplateMessage {
  const at = `messages[${index}]`;
  if (message.role === 'tool' || message.role === 'function') throw invalid(`${at}.role`, 'the embedded engine calls no tools and reads no results of them; use Ollama with a model that calls tools');
  if ((message.tool_calls ?? []).length > 0 || (message.function_call ?? null) !== null) throw invalid(`${at}.tool_calls`, 'the embedded engine calls no tools; use Ollama with a model that does');
  const parts: { type?: unknown; text?: unknown }[] = Array.isArray(message.content) ? message.content : [{ type: 'text', text: message.content ?? '' }];
  if (!parts.every((part) => part.type === 'text' && typeof part.text === 'string')) throw invalid(`${at}.content`, 'the embedded engine reads text parts only');
  // OpenAI's newer name of the same thing; templates know the older.
  const role = message.role === 'developer' ? 'system' : message.role;
  return { role, content: parts.map((part) => part.text).join('') };
}
