import { ForgeError } from '../../core/errors.ts';
import type { InferenceBackend } from './backend.ts';
import { createOpenAiClient } from './openai-client.ts';
import { createUpstreamHttp } from './upstream-http.ts';

/**
 * Any OpenAI-compatible server. It serves the models it has: AI Forge can't put one there.
 * @param url its base, with or without `/v1`
 * @param key sent as a bearer token; empty for none
 */
export function createUpstreamBackend(url: string, key = ''): InferenceBackend {
  const base = openAiBase(url);
  const http = createUpstreamHttp('The OpenAI-compatible server', 'Start it, or change FORGE_INFERENCE', key === '' ? {} : { authorization: `Bearer ${key}` });
  const client = createOpenAiClient(http, () => base);
  const refuse = (what: string) => new ForgeError('unimplemented', `The OpenAI-compatible server at ${new URL(base).origin} can't ${what} models; set FORGE_INFERENCE to ollama or embedded to deploy`);
  let stopped: Promise<void> | undefined;
  return {
    kind: 'upstream',
    available: (signal) => client.available(signal),
    models: (signal) => client.models(signal),
    send: (endpoint, body, signal) => client.send(endpoint, body, signal),
    create: () => Promise.reject(refuse('create')),
    remove: () => Promise.reject(refuse('remove')),
    stop: () => (stopped ??= http.close()),
  };
}

/** `http://host:1234` and `http://host:1234/v1/` both mean `http://host:1234/v1`. */
export function openAiBase(url: string): string {
  const trimmed = url.replace(/\/+$/, '');
  return new URL(trimmed).pathname === '/' ? `${trimmed}/v1` : trimmed;
}
