import type { Schema } from '../schema.ts';
import { count, model, object, optional, text, tokenIds } from './shared.ts';

const one: Schema = { type: 'string', minLength: 1 };

export const embeddingRequest: Schema = object({
  model,
  input: { anyOf: [one, { type: 'array', minItems: 1, maxItems: 2048, items: one }, tokenIds, { type: 'array', minItems: 1, maxItems: 2048, items: tokenIds }] },
  encoding_format: optional({ type: 'string', enum: ['float', 'base64'] }),
  dimensions: optional({ type: 'integer', minimum: 1 }),
}, ['input']);

export const embeddingAnswer: Schema = object({
  object: { const: 'list' },
  model: text,
  data: {
    type: 'array',
    items: object({ object: { const: 'embedding' }, index: count, embedding: { anyOf: [{ type: 'array', items: { type: 'number' } }, { type: 'string', contentEncoding: 'base64' }] } }),
  },
  usage: object({ prompt_tokens: count, total_tokens: count }),
});
