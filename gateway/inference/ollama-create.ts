import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ForgeError, isForgeError } from '../../core/errors.ts';
import type { ExportedModel } from './backend.ts';
import type { ExportRecord } from './export-record.ts';
import { readExportRecord } from './export-record.ts';
import { toGoTemplate } from './go-template.ts';
import { checkOllamaParity } from './ollama-parity.ts';
import { addedBos, ollamaRender } from './ollama-tokens.ts';
import { isSmall } from './small-model.ts';
import { probeTemplate } from './template-probe.ts';
import type { UpstreamHttp } from './upstream-http.ts';

/** Ollama keeps whole contexts in memory, so a long-context model gets this much of it. */
const longestContext = 8192;

/**
 * Creates a model in Ollama from a GGUF with the chat template and stop marks it was trained with
 * (https://github.com/ollama/ollama/blob/main/docs/api.md#create-a-model), and compares its prompts with the trainer's.
 * A model whose prompts differ is removed again.
 */
export async function createOllamaModel(http: UpstreamHttp, url: string, name: string, exported: ExportedModel, signal: AbortSignal): Promise<void> {
  const record = await readExportRecord(exported.dir);
  const gguf = join(exported.dir, 'model.gguf');
  const bos = await addedBos(gguf, record);
  const template = toGoTemplate(probeTemplate(ollamaRender(record, bos)));
  await uploadBlob(http, url, gguf, exported.ggufDigest, signal);
  await post(http, `${url}/api/create`, {
    model: name,
    files: { 'model.gguf': `sha256:${exported.ggufDigest}` },
    template,
    parameters: parameters(record, (await stat(gguf)).size),
    stream: false,
  }, signal);
  try {
    await checkOllamaParity(http, url, name, record.renderings, bos, signal);
  } catch (error) {
    // An error that passes says nothing about the model, which may be serving.
    if (isForgeError(error, 'wrong_state')) await http.json({ method: 'DELETE', url: `${url}/api/delete`, body: JSON.stringify({ model: name }), signal: AbortSignal.timeout(30_000) }).catch(() => undefined);
    throw error;
  }
}

function parameters(record: ExportRecord, size: number): Record<string, unknown> {
  return {
    num_ctx: Math.min(record.context_length, longestContext),
    ...(record.stop_tokens.length > 0 ? { stop: record.stop_tokens } : {}),
    ...(isSmall(size) ? { num_thread: 1 } : {}),
  };
}

/** Ollama verifies the digest itself. A blob that is there is not sent again. */
async function uploadBlob(http: UpstreamHttp, url: string, path: string, digest: string, signal: AbortSignal): Promise<void> {
  const blob = `${url}/api/blobs/sha256:${digest}`;
  const there = await http.json({ method: 'HEAD', url: blob, signal });
  if (there.status === 200) return;
  const { size } = await stat(path);
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) };
  const { status, text } = await http.json({ method: 'POST', url: blob, body: createReadStream(path), headers, signal });
  if (status >= 300) throw new ForgeError(status === 400 ? 'wrong_state' : 'unavailable', `Ollama did not take the model's file (status ${status}): ${text.slice(0, 300)}`);
}

async function post(http: UpstreamHttp, url: string, body: unknown, signal: AbortSignal): Promise<void> {
  const { status, text } = await http.json({ method: 'POST', url, body: JSON.stringify(body), signal });
  if (status !== 200) throw new ForgeError('unavailable', `Ollama could not create the model (status ${status}): ${text.slice(0, 300)}`);
}
