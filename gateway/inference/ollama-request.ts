import type { OpenAiEndpoint } from './backend.ts';

type Json = Record<string, any>;

/** What in a request's text tells that it may need a change; all other requests pass as they came, unread. */
const signs: Readonly<Record<OpenAiEndpoint, readonly Buffer[]>> = {
  'chat/completions': ['"max_completion_tokens"', '"developer"'].map((sign) => Buffer.from(sign)),
  completions: [Buffer.from('"prompt"')],
  embeddings: [],
  responses: [Buffer.from('"developer"')],
};

/**
 * Says in Ollama's words what it would otherwise leave aside or refuse (tried with 0.17.4): the newer name of `max_tokens`,
 * the newer name of the system role, a list of one prompt.
 * @param body a JSON object, found well-formed
 */
export function toOllamaRequest(endpoint: OpenAiEndpoint, body: Uint8Array): Uint8Array {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (!signs[endpoint].some((sign) => bytes.includes(sign))) return body;
  const request = JSON.parse(bytes.toString()) as Json;
  return rewrite(endpoint, request) ? Buffer.from(JSON.stringify(request)) : body;
}

/** @returns whether it changed anything */
function rewrite(endpoint: OpenAiEndpoint, request: Json): boolean {
  if (endpoint === 'completions') return onePrompt(request);
  const renamed = renameLimit(request);
  return renameRoles(endpoint === 'responses' ? request['input'] : request['messages']) || renamed;
}

function renameLimit(request: Json): boolean {
  const { max_completion_tokens: limit } = request;
  if (typeof limit !== 'number') return false;
  request['max_tokens'] = limit;
  delete request['max_completion_tokens'];
  return true;
}

function renameRoles(messages: unknown): boolean {
  if (!Array.isArray(messages)) return false;
  const developers = messages.filter((message) => message?.role === 'developer');
  for (const message of developers) message.role = 'system';
  return developers.length > 0;
}

function onePrompt(request: Json): boolean {
  const { prompt } = request;
  if (!Array.isArray(prompt) || prompt.length !== 1 || typeof prompt[0] !== 'string') return false;
  request['prompt'] = prompt[0];
  return true;
}
