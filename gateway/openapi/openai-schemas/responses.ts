import type { Schema } from '../schema.ts';
import { model, object, optional, stream, text } from './shared.ts';

export const responseRequest: Schema = object({
  model,
  input: { anyOf: [text, { type: 'array' }, { type: 'null' }] },
  instructions: optional(text),
  stream,
  max_output_tokens: optional({ type: 'integer', minimum: 1 }),
  temperature: optional({ type: 'number', minimum: 0, maximum: 2 }),
  top_p: optional({ type: 'number', minimum: 0, maximum: 1 }),
}, []);

export const responseAnswer: Schema = object({ id: text, object: { const: 'response' }, status: text, model: text, output: { type: 'array' } });
