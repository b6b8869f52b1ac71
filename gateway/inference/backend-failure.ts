import { ForgeError } from '../../core/errors.ts';
import type { OpenAiEndpoint } from './backend.ts';
import { refusedByTemplate } from './go-template.ts';

/** A model by the name that was asked for, and the name the backend knows it by. */
export interface TargetModel {
  name: string;
  backendName: string;
}

/** The field that makes the prompt. */
const promptField: Readonly<Record<OpenAiEndpoint, string>> = { 'chat/completions': 'messages', completions: 'prompt', embeddings: 'input', responses: 'input' };

/** How servers say that a prompt is too long: OpenAI and vLLM, llama.cpp, Ollama, and others after them. */
const tooLong = /context_length_exceeded|exceed_context_size|maximum context length|exceeds?\b.{0,40}\bcontext|context (?:length|size|window)\b.{0,40}\bexceed/is;

/**
 * An error answer of a backend as one of ours, where it says what each client has to be able to tell apart: the model is
 * not there, the prompt is too long, the model's template has no place for a message, there is no such endpoint.
 * @param text its body
 */
export function knownFailure(status: number, text: string, endpoint: OpenAiEndpoint, model: TargetModel): ForgeError | undefined {
  // It is this service that is refused, not its client, which would take a 401 for a word on its own key.
  if (status === 401) return refusedKey();
  if (status === 404 || status === 405 || status === 501) {
    // Where a path is not known there is no error object, or one that does not speak of the model.
    if (status === 404 && /model/i.test(text)) return modelLost(model);
    return noSuchEndpoint(endpoint);
  }
  const refused = refusedByTemplate(text);
  if (refused !== undefined) return new ForgeError('invalid_argument', `${promptField[endpoint]}: ${refused}`, { field: promptField[endpoint] });
  return tooLong.test(text) ? doesNotFit(text, endpoint, model) : undefined;
}

/** What a server says in OpenAI's own terms is said again as it is. */
function doesNotFit(text: string, endpoint: OpenAiEndpoint, model: TargetModel): ForgeError {
  const said = errorOf(text);
  const field = promptField[endpoint];
  if (said?.code === 'context_length_exceeded' && typeof said.message === 'string') return new ForgeError('context_length_exceeded', said.message, { field: typeof said.param === 'string' ? said.param : field });
  const quoted = typeof said?.message === 'string' ? ` (${said.message.slice(0, 300)})` : '';
  return new ForgeError('context_length_exceeded', `${field}: it is longer than the context of "${model.name}"; send less${quoted}`, { field });
}

/** What the server says is not told: some repeat the key that they were given. */
export function refusedKey(): ForgeError {
  return new ForgeError('unavailable', 'The inference backend does not take the key of this service (status 401): set FORGE_INFERENCE_KEY to one that it takes');
}

/** The directory knows the alias, so a backend's "not found" means that the backend lost it; its own names are its own. */
export function modelLost(model: TargetModel): ForgeError {
  if (model.name === model.backendName) return new ForgeError('not_found', `model: "${model.name}" not found in the inference backend; GET /v1/models tells what is there`, { field: 'model' });
  return new ForgeError('unavailable', `model: "${model.name}" is deployed, but the inference backend does not have it (${model.backendName}); deploy it again`, { field: 'model' });
}

export function noSuchEndpoint(endpoint: OpenAiEndpoint): ForgeError {
  const remedy = endpoint === 'responses' ? 'Ollama from 0.13.3 on and many OpenAI-compatible servers have it (FORGE_INFERENCE); POST /v1/chat/completions is here' : 'set FORGE_INFERENCE to a backend that has it';
  return new ForgeError('unimplemented', `The inference backend has no POST /v1/${endpoint}; ${remedy}`);
}

/** OpenAI's error object; some servers send its members alone. */
function errorOf(text: string): { message?: unknown; code?: unknown; param?: unknown } | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value?.error === 'object' && value.error !== null ? value.error : (value ?? undefined);
  } catch {
    return undefined;
  }
}
