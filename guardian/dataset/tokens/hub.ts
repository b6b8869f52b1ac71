import type { TokenizerFiles } from './counter.ts';

const timeoutMs = 30_000;
const maxTokenizerBytes = 64 << 20;
const maxConfigBytes = 4 << 20;

/**
 * Downloads a tokenizer from a Hugging Face hub: `<endpoint>/<id>/resolve/<revision>/<file>`.
 * @param token sent to the endpoint's host alone: fetch drops it where a redirect leads to another origin
 * @returns the files, or why they can't be had; the reason never holds the token
 */
export async function fetchTokenizer(endpoint: string, id: string, revision: string, token: string | undefined, signal: AbortSignal): Promise<TokenizerFiles | { missing: string }> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const base = new URL(endpoint);
    if (base.protocol !== 'https:' && !isLoopback(base)) return { missing: `${base.origin} is no https address, nor on this machine: set HF_ENDPOINT to one that is` };
    const get = (file: string, maxBytes: number) => fetchJson(`${base.href.replace(/\/$/, '')}/${id}/resolve/${encodeURIComponent(revision)}/${file}`, token, maxBytes, bounded);
    const tokenizerJson = await get('tokenizer.json', maxTokenizerBytes);
    if (tokenizerJson === undefined) return { missing: `${id} has no tokenizer.json at ${revision} on ${base.host}, or needs a token (HF_TOKEN)` };
    return { tokenizerJson, tokenizerConfig: (await get('tokenizer_config.json', maxConfigBytes)) ?? {} };
  } catch (error) {
    signal.throwIfAborted();
    return { missing: `the tokenizer of ${id} can not be fetched from the hub: ${reason(error)}` };
  }
}

/** @returns undefined where there is no such file, or none for this caller */
async function fetchJson(url: string, token: string | undefined, maxBytes: number, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { signal, headers: token ? { authorization: `Bearer ${token}` } : {} });
  if ([401, 403, 404].includes(response.status)) {
    await response.body?.cancel();
    return undefined;
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`it answered with status ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body) {
    size += part.length;
    if (size > maxBytes) throw new Error(`a file is larger than ${maxBytes} bytes`);
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

function reason(error: unknown): string {
  const { name, message, cause } = error as Error;
  if (name === 'TimeoutError') return `no answer in ${timeoutMs} ms`;
  return cause instanceof Error ? cause.message || message : message;
}
