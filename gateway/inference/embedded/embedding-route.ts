import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../../openai/request-body.ts';
import { invalid } from '../../../core/errors.ts';
import { readEmbeddingRequest } from './embedding-request.ts';
import { sendJson } from './event-stream.ts';
import type { ModelCache } from './model-cache.ts';
import { inputTokens } from './text-input.ts';

/** POST /v1/embeddings of the engine, in OpenAI's form. */
export async function embeddingRoute(request: IncomingMessage, response: ServerResponse, cache: ModelCache): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const wanted = readEmbeddingRequest(await readBody(request));
  await cache.with(wanted.model, gone.signal, async (loaded) => {
    const size = loaded.model.embeddingVectorSize;
    // Only models that were trained for it keep their meaning when shortened, and a GGUF does not tell.
    if (wanted.dimensions !== undefined && wanted.dimensions !== size) throw invalid('dimensions', `must be ${size}, which this model's embeddings have: it is not known to be made for shorter ones`);
    const embeddings = await loaded.embedder.embed(wanted.inputs.map((input) => inputTokens('input', input, loaded)), gone.signal);
    const tokens = embeddings.reduce((sum, one) => sum + one.tokens, 0);
    sendJson(response, 200, {
      object: 'list',
      data: embeddings.map(({ vector }, index) => ({ object: 'embedding', index, embedding: wanted.format === 'base64' ? base64(vector) : [...vector] })),
      model: wanted.model,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  });
}

/** Little-endian 32-bit floats, as OpenAI's SDKs read them. */
function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, i) => bytes.writeFloatLE(value, i * 4));
  return bytes.toString('base64');
}
