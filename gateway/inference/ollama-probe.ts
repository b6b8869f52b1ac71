import type { OpenAiEndpoint } from './backend.ts';

type Json = Record<string, any>;

/** What to ask to learn whether a prompt fits. */
export interface OllamaProbe {
  /** What the prompt is called in OpenAI's request. */
  field: string;
  path: string;
  body: Json;
}

/**
 * A request of OpenAI's as Ollama's own API has it (https://github.com/ollama/ollama/blob/main/docs/api.md), for one token.
 * @param context tokens; inputs of embeddings that surely fit are not asked about
 */
export function probeOf(endpoint: OpenAiEndpoint, request: Json, context: number): OllamaProbe | undefined {
  const once = { stream: false, options: { num_predict: 1 } };
  switch (endpoint) {
    case 'chat/completions':
      return { field: 'messages', path: '/api/chat', body: { messages: request['messages'].map(toOllamaMessage), tools: request['tools'] ?? undefined, ...once } };
    case 'responses':
      return { field: 'input', path: '/api/chat', body: { messages: responsesMessages(request), ...once } };
    case 'completions':
      return { field: 'prompt', path: '/api/generate', body: { prompt: request['prompt'], suffix: request['suffix'] ?? undefined, ...once } };
    case 'embeddings': {
      const long = [request['input']].flat().filter((text) => Buffer.byteLength(text) > context);
      return long.length === 0 ? undefined : { field: 'input', path: '/api/embed', body: { input: long } };
    }
  }
}

function toOllamaMessage(message: Json): Json {
  const parts: Json[] = Array.isArray(message['content']) ? message['content'] : [{ type: 'text', text: message['content'] ?? '' }];
  const images = parts.flatMap((part) => (part['type'] === 'image_url' ? [String(part['image_url']?.url ?? part['image_url']).replace(/^data:[^,]*,/, '')] : []));
  return { role: message['role'], content: textOf(parts), ...(images.length > 0 ? { images } : {}), tool_calls: message['tool_calls']?.map(toOllamaCall) };
}

function toOllamaCall(call: Json): Json {
  return { function: { name: call['function']?.name, arguments: objectOf(call['function']?.arguments) } };
}

function responsesMessages(request: Json): Json[] {
  const { input, instructions } = request;
  const items: Json[] = typeof input === 'string' ? [{ role: 'user', content: input }] : (input ?? []);
  const messages = items.map((item) => ({ role: item['role'] ?? (item['type'] === 'function_call_output' ? 'tool' : 'assistant'), content: itemText(item) }));
  return instructions ? [{ role: 'system', content: instructions }, ...messages] : messages;
}

function itemText(item: Json): string {
  const { content } = item;
  if (typeof content === 'string') return content;
  if (Array.isArray(content)) return textOf(content);
  return item['output'] ?? item['arguments'] ?? '';
}

/** As Ollama puts them together. */
function textOf(parts: Json[]): string {
  return parts.flatMap((part) => (typeof part['text'] === 'string' ? [part['text']] : [])).join('\n\n');
}

function objectOf(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return {};
  }
}
