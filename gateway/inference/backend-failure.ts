import { ForgeError } from '../../core/errors.ts';
import type { OpenAiEndpoint } from './backend.ts';

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
 * not there, the prompt is too long, there is no such endpoint.
 * @param text its body
 */
export function knownFailure(status: number, text: string, endpoint: OpenAiEndpoint, model: TargetModel): ForgeError | undefined {
  if (status === 404 || status === 405 || status === 501) {
    // Where a path is not known there is no error object, or one that does not speak of the model.
    if (status === 404 && /model/i.test(text)) return modelLost(model);
    return noSuchEndpoint(endpoint);
  }
  if (tooLong.test(text)) {
    const field = promptField[endpoint];
    return new ForgeError('context_length_exceeded', `${field}: it is longer than the context of "${model.name}"; send less${quoted(text)}`, { field });
  }
  return undefined;
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

/** What the server itself said of the lengths. */
function quoted(text: string): string {
  const said = /"message"\s*:\s*"((?:[^"\\]|\\.){1,300})"/.exec(text)?.[1];
  return said === undefined ? '' : ` (${JSON.parse(`"${said}"`) as string})`;
}
