import type { Schema } from '../schema.ts';
import { usage } from './chat.ts';
import { model, object, optional, sampling, stream, text, tokenIds, unixSeconds, whole } from './shared.ts';

export const completionRequest: Schema = {
  ...object({
    model,
    prompt: { anyOf: [text, { type: 'array', minItems: 1, items: text }, tokenIds, { type: 'array', minItems: 1, items: tokenIds }] },
    suffix: optional({ type: 'string', description: 'What comes after the place to fill.' }),
    stream,
    max_tokens: optional({ type: 'integer', minimum: 0 }),
    ...sampling,
  }, ['prompt']),
  description: 'As OpenAI documents it: what is not named here is passed on to the backend.',
};

export const completionAnswer: Schema = object({
  id: text,
  object: { const: 'text_completion' },
  created: unixSeconds,
  model: text,
  choices: { type: 'array', items: object({ index: whole, text, finish_reason: { type: ['string', 'null'] } }) },
  usage,
});
