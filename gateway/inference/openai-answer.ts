import { ForgeError } from '../../core/errors.ts';
import { withDetail } from '../openai/errors.ts';
import { knownFailure, type TargetModel } from './backend-failure.ts';
import type { InferenceBackend, OpenAiEndpoint } from './backend.ts';
import { serverSentData } from './server-sent-data.ts';
import { readAll } from './upstream-http.ts';

/** The parts of OpenAI's answers that the service reads. */
export interface OpenAiUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}
export interface OpenAiAnswer {
  id: string;
  created: number;
  choices: { index: number; message: { role: string; content: string | null }; finish_reason: string | null }[];
  usage: OpenAiUsage;
}
export interface OpenAiCompletion {
  id: string;
  created: number;
  choices: { index: number; text: string; finish_reason: string | null }[];
  usage: OpenAiUsage;
}
export interface OpenAiEmbeddings {
  data: { index: number; embedding: number[] }[];
  usage: Omit<OpenAiUsage, 'completion_tokens'>;
}
export interface OpenAiChunk {
  id: string;
  choices: { index: number; delta: { content?: string | null }; finish_reason?: string | null }[];
  usage?: OpenAiUsage | null;
  error?: unknown;
}

const answerLimitBytes = 64 * 1024 * 1024;

/** @throws ForgeError unavailable, cancelled, invalid_argument (the backend refused the request) */
export function wholeChat(backend: InferenceBackend, body: Uint8Array, model: TargetModel, signal: AbortSignal): Promise<OpenAiAnswer> {
  return wholeAnswer(backend, 'chat/completions', body, model, signal, (answer) => answer.choices);
}

/** @throws as wholeChat */
export function wholeCompletion(backend: InferenceBackend, body: Uint8Array, model: TargetModel, signal: AbortSignal): Promise<OpenAiCompletion> {
  return wholeAnswer(backend, 'completions', body, model, signal, (answer) => answer.choices);
}

/** @throws as wholeChat */
export function wholeEmbeddings(backend: InferenceBackend, body: Uint8Array, model: TargetModel, signal: AbortSignal): Promise<OpenAiEmbeddings> {
  return wholeAnswer(backend, 'embeddings', body, model, signal, (answer) => answer.data);
}

/** @param list the member that must be a list */
async function wholeAnswer<T extends { usage: { total_tokens: number } }>(backend: InferenceBackend, endpoint: OpenAiEndpoint, body: Uint8Array, model: TargetModel, signal: AbortSignal, list: (answer: T) => unknown): Promise<T> {
  const answer = await backend.send(endpoint, body, signal);
  const text = new TextDecoder().decode(await readAll(answer.body, answerLimitBytes, 'The inference backend'));
  if (answer.status !== 200) throw backendError(answer.status, text, endpoint, model);
  const value = parse(text) as T | null | undefined;
  if (!value || !Array.isArray(list(value)) || typeof value.usage?.total_tokens !== 'number') throw new ForgeError('unavailable', 'The inference backend answered in a shape that is not OpenAI’s');
  return value;
}

/** Yields chunks until `[DONE]`. @throws as wholeChat, also in the middle */
export async function* streamChat(backend: InferenceBackend, body: Uint8Array, model: TargetModel, signal: AbortSignal): AsyncGenerator<OpenAiChunk> {
  const answer = await backend.send('chat/completions', body, signal);
  if (answer.status !== 200) throw backendError(answer.status, new TextDecoder().decode(await readAll(answer.body, answerLimitBytes, 'The inference backend')), 'chat/completions', model);
  for await (const data of serverSentData(answer.body)) {
    if (data === '[DONE]') return;
    const chunk = parse(data) as OpenAiChunk | undefined;
    if (chunk === undefined || chunk.error !== undefined || !Array.isArray(chunk.choices)) throw backendError(500, data, 'chat/completions', model);
    yield chunk;
  }
  throw new ForgeError('unavailable', 'The inference backend stopped in the middle of its answer');
}

/** A backend's error as one of ours: what it says about the request is the caller's, all else the backend's. */
export function backendError(status: number, text: string, endpoint: OpenAiEndpoint, model: TargetModel): ForgeError {
  const shown = text.replaceAll(model.backendName, model.name);
  return knownFailure(status, shown, endpoint, model) ?? new ForgeError(status < 500 ? 'invalid_argument' : 'unavailable', withDetail(status, shown).detail);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
