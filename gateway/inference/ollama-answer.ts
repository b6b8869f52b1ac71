import { ForgeError } from '../../core/errors.ts';
import type { BackendResponse, OpenAiEndpoint } from './backend.ts';
import { readAll } from './upstream-http.ts';

const tailBytes = 4096;
const answerLimitBytes = 16 * 1024 * 1024;
const brokenOff = /"finish_reason":null\}\],"usage":\{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0\}\}\s*$/;

/**
 * Ollama breaks off an answer that repeats one token 30 times (`tokenRepeat` in llm/server.go), and tells its client
 * nothing: a whole answer then has no finish reason and counts 0 tokens, a stream just ends. Neither may pass for an
 * ordinary answer. A stream is ended as one that reached a limit; a whole answer, whose tokens nobody counted, is an error.
 */
export function checkedOllamaAnswer(endpoint: OpenAiEndpoint, answer: BackendResponse): BackendResponse {
  // Embeddings can't be broken off, and a stream of responses then lacks its last event, which says enough.
  if (answer.status !== 200 || (endpoint !== 'chat/completions' && endpoint !== 'completions')) return answer;
  const events = (answer.headers['content-type'] ?? '').startsWith('text/event-stream');
  return { ...answer, body: events ? checkedStream(answer.body, endpoint === 'completions' ? { text: '' } : { delta: {} }) : checkedWhole(answer.body) };
}

async function* checkedWhole(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const bytes = await readAll(body, answerLimitBytes, 'Ollama');
  if (brokenOff.test(Buffer.from(bytes.subarray(-tailBytes)).toString())) {
    throw new ForgeError('unavailable', 'Ollama broke off the answer because it repeated itself; ask again with "stream": true, a higher temperature, or a frequency_penalty');
  }
  yield bytes;
}

async function* checkedStream(body: AsyncIterable<Uint8Array>, nothing: object): AsyncGenerator<Uint8Array> {
  let tail = Buffer.alloc(0);
  for await (const chunk of body) {
    tail = Buffer.concat([tail, chunk]).subarray(-tailBytes);
    yield chunk;
  }
  const last = tail.toString().trimEnd().split('\n').at(-1) ?? '';
  const chunk = parsed(last.replace(/^data: /, ''));
  // [DONE] is no object. And an error (the process that runs the model died) is turned into a chunk by Ollama's OpenAI
  // route, with nothing in it, not even the model's name: that stream stays without an end.
  if (chunk === undefined || !chunk.model) return;
  const end = { id: chunk.id, object: chunk.object, created: chunk.created, model: chunk.model, choices: [{ index: 0, ...nothing, finish_reason: 'length' }] };
  yield Buffer.from(`data: ${JSON.stringify(end)}\n\ndata: [DONE]\n\n`);
}

function parsed(text: string): { id: string; object: string; created: number; model: string } | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
